//! `spawner start`.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use spawner::journal::Found;
use spawner::{Backends, Error, Journal};

use super::target::called;
use crate::cli::args::StartOptions;
use crate::cli::failure::Failure;
use crate::cli::{out, prepare, pull, runtime, say, system};

pub(crate) fn start(options: &StartOptions) -> Result<i32, Failure> {
    let backends = Backends::locate(options.backend.config.as_deref())?;
    let backend =
        backends.open_with(options.backend.backend.as_deref(), options.backend.mechanism.as_deref())?;
    pull::show(&backend);
    prepare::meet(&options.surroundings.require, &*backend, &backends)?;
    let mut spec = prepare::spec(&options.command, &options.surroundings)?.detached();
    let mut only = None;
    if let Some(name) = &options.name {
        only = hold(backend.journal())?;
        refuse_taken(backend.journal(), name)?;
        spec = spec.name(name);
    }
    let task = runtime::serve(backend, async |backend| {
        let started = backend.spawn_task(&spec).await;
        if let (Ok(_), Some(trouble)) = (&started, backend.journal().trouble()) {
            say::say(trouble);
        }
        started.map_err(|error| prepare::unsupported(error, &backends))
    })?;
    drop(only);
    out::print(&format!("{}\n", task.id()))?;
    Ok(0)
}

/// A name is for one task, so that one is told of the other.
fn refuse_taken(journal: &Journal, name: &str) -> Result<(), Failure> {
    for found in journal.read()? {
        let Found::Account(account) = found else { continue };
        if account.opening.record.name.as_deref() == Some(name) {
            return Err(Failure::new(format!(
                "cannot call the task `{name}`: so is {} (destroy it with `spawner destroy {}`, or choose \
                 another name)",
                called(&account),
                account.opening.record.id,
            )));
        }
    }
    Ok(())
}

/// Keeps others who start a task with a name waiting until ours is on record. The folder is not there yet
/// before the first task; then there is nothing to wait for.
fn hold(journal: &Journal) -> Result<Option<File>, Failure> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let Some(folder) = journal.folder().filter(|folder| folder.is_dir()) else { return Ok(None) };
    let failed = |error| Error::io("lock the state folder", folder.display().to_string(), error);
    let file = system::open_lock(folder).map_err(failed)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                let message = "somebody else has been starting a task for 10 s";
                return Err(failed(std::io::Error::new(std::io::ErrorKind::TimedOut, message)).into());
            }
            Err(TryLockError::Error(error)) => return Err(failed(error).into()),
        }
    }
}
