//! `spawner run`.

mod ignored;
mod life;
mod message;
mod prepare;
mod report;
mod stop;
mod terminal;

use std::time::Duration;

use spawner::run::Finished;
use spawner::{Backend, Backends, Error, ErrorKind, Level, Report, TaskSpec};

use self::report::Destination;
use self::stop::Signals;
use self::terminal::Host;
use super::args::{OnLeak, RunOptions};
use super::failure::Failure;
use super::{runtime, say, status};

pub(crate) fn run(options: &RunOptions) -> Result<u8, Failure> {
    let backends = Backends::locate(options.backend.config.as_deref())?;
    let backend =
        backends.open_with(options.backend.backend.as_deref(), options.backend.mechanism.as_deref())?;
    prepare::meet(&options.require, &*backend, &backends)?;
    let mut spec = prepare::spec(options)?;
    let host = terminal::host(options.terminal, &mut spec, &*backend)?;
    let report = options.report.as_deref().map(Destination::open).transpose()?;

    let runtime = runtime::current_thread()?;
    runtime.block_on(async {
        let lived = live(&backend, &spec, host).await;
        let done = match lived {
            Ok(finished) => account(&finished, &spec, options, report),
            Err(error) => Err(unsupported(error, &backends)),
        };
        match (done, shut_down(backend).await) {
            (Ok(_), Err(error)) => Err(error.into()),
            (done, Ok(())) => done,
            (Err(failure), Err(error)) => Err(failure.and(&error.to_string())),
        }
    })
}

/// Ends the backend's helpers; they end by themselves when we do, so there is no need to wait for ever.
async fn shut_down(backend: Backend) -> Result<(), Error> {
    const PATIENCE: Duration = Duration::from_secs(10);
    match tokio::time::timeout(PATIENCE, backend.release()).await {
        Ok(done) => done,
        Err(_) => Err(Error::new(ErrorKind::TimedOut, "see the end of", "the backend's helpers")),
    }
}

async fn live(backend: &Backend, spec: &TaskSpec, host: Option<Host>) -> Result<Finished, Error> {
    let mut signals = Signals::listen(host.is_some())?;
    life::live(&**backend, spec, &mut signals, host).await
}

/// Says and writes how it went; the exit status says it too.
fn account(
    finished: &Finished,
    spec: &TaskSpec,
    options: &RunOptions,
    report: Option<Destination>,
) -> Result<u8, Failure> {
    for message in message::about(finished, spec) {
        say::say(&message);
    }
    if let Some(destination) = report {
        destination.write(&Report::new(finished), options.report_format)?;
    }
    if options.on_leak == OnLeak::Fail && status::is_leak(&finished.cleanup) {
        return Ok(status::LEAKED);
    }
    Ok(status::of_exit(&finished.exit))
}

/// Where the backend does not support what was asked for, says which ones declare that they do.
fn unsupported(error: Error, backends: &Backends) -> Failure {
    let ErrorKind::Unsupported(capability) = error.kind() else { return error.into() };
    let declared = prepare::list(&backends.promising(capability, Level::BestEffort));
    Failure::from(error).and(&format!("it is declared by {declared}; see `spawner doctor`"))
}
