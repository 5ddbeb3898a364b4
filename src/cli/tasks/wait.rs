//! `spawner wait`.

use std::time::Duration;

use spawner::{Backends, ErrorKind, Exit};

use super::target;
use crate::cli::args::WaitOptions;
use crate::cli::failure::Failure;
use crate::cli::run::about_exit;
use crate::cli::{runtime, say, status};

pub(crate) fn wait(options: &WaitOptions) -> Result<i32, Failure> {
    let backends = Backends::locate(options.configuration.config.as_deref())?;
    let account = target::find(&backends, &options.task)?;
    if let Some(exit) = account.exit() {
        return Ok(told(exit));
    }
    let backend = target::open(&backends, &account)?;
    runtime::serve(backend, async |backend| {
        let ended = async {
            let task = backend.recover_task(&account.record()).await?;
            backend.wait_task(&task).await
        };
        let timeout = options.timeout.unwrap_or(Duration::MAX);
        let Ok(ended) = tokio::time::timeout(timeout, ended).await else {
            say::say(&format!("the task goes on after {timeout:?}"));
            return Ok(status::TIMED_OUT);
        };
        match ended {
            Ok(exit) => Ok(told(&exit)),
            // Its record has gone since we read it.
            Err(error) if error.kind() == ErrorKind::UnknownTask => {
                Err(Failure::from(error).and("it was destroyed, and how it ended went with its record"))
            }
            Err(error) => Err(error.into()),
        }
    })
}

/// Says what the exit status cannot.
fn told(exit: &Exit) -> i32 {
    if let Some(line) = about_exit(exit, None) {
        say::say(&line);
    }
    status::of_exit(exit)
}
