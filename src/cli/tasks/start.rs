//! `spawner start`.

use std::time::Duration;

use spawner::Backends;
use spawner::journal::Found;

use super::records::{self, called};
use crate::cli::args::StartOptions;
use crate::cli::failure::Failure;
use crate::cli::{out, prepare, pull, runtime, say};

/// How long another who starts a task of the same name is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn start(options: &StartOptions) -> Result<i32, Failure> {
    let backends = Backends::locate(options.backend.config.as_deref())?;
    let backend =
        backends.open_with(options.backend.backend.as_deref(), options.backend.mechanism.as_deref())?;
    pull::show(&backend);
    prepare::meet(&options.surroundings.require, &*backend, &backends)?;
    let mut spec = prepare::spec(&options.command, &options.surroundings)?.detached();
    let mut only = None;
    if let Some(name) = &options.name {
        only = backend.journal().hold_name(name, PATIENCE)?;
        refuse_taken(&backends, name)?;
        spec = spec.name(name);
    }
    let mut id = None;
    let served = runtime::serve(backend, async |backend| {
        let started = backend.spawn_task(&spec).await;
        if let (Ok(_), Some(trouble)) = (&started, backend.journal().trouble()) {
            say::say(trouble);
        }
        id = Some(started.map_err(|error| prepare::unsupported(error, &backends))?.id());
        Ok(())
    });
    drop(only);
    let Some(id) = id else { return served.map(|()| 0) };
    let told = out::print(&format!("{id}\n"));
    // Whoever was not told its id could not end it.
    if told.is_err() {
        say::say(&format!("task {id} runs; to end it: spawner destroy {id}"));
    }
    told.and(served).map(|()| 0)
}

/// A name is for one task, so that one is told of the other.
fn refuse_taken(backends: &Backends, name: &str) -> Result<(), Failure> {
    for found in records::all(backends)? {
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
