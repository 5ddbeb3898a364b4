//! The life of the one task that `run` runs.

use std::time::Duration;

use spawner::run::{Finished, end, exit_after_destroy};
use spawner::{CleanupOutcome, Error, ErrorKind, Result, Spawner, Task, TaskSpec, Teardown};

use super::terminal::Host;
use crate::cli::say;
use crate::cli::stop::Stop;

/// Starts the task, waits for its end, its timeout or the wish to stop, and destroys what it made.
pub(super) async fn live(
    spawner: &dyn Spawner,
    spec: &TaskSpec,
    stop: &mut impl Stop,
    host: Option<Host>,
) -> Result<Finished> {
    let mut stopped = false;
    let task = start(spawner, spec, stop, &mut stopped).await?;
    if let Some(trouble) = spawner.journal().trouble() {
        say::say(&format!("{trouble}; the task runs, and is on no record"));
    }
    let relay = match host {
        Some(host) => match spawner.task_output(&task).await.and_then(|near| host.relay(near.terminal)) {
            Ok(relay) => Some(relay),
            Err(error) => return Err(undo(spawner, &task, error).await),
        },
        None => None,
    };
    let exit = if stopped { None } else { end(spawner, &task, spec.timeout, stop.wished()).await };
    let cleanup = destroy(spawner, &task, &spec.teardown, stop, exit.is_none()).await;
    if let Some(relay) = relay {
        relay.finish().await;
    }
    let exit = match exit {
        Some(exit) => exit,
        None => exit_after_destroy(spawner, &task).await,
    };
    Ok(Finished { task, exit, cleanup })
}

/// Starts the task. The first wish to stop is heeded once it runs; where it does not within the grace, or at
/// a second wish, the start is given up.
async fn start(
    spawner: &dyn Spawner,
    spec: &TaskSpec,
    stop: &mut impl Stop,
    stopped: &mut bool,
) -> Result<Task> {
    let mut started = spawner.spawn_task(spec);
    tokio::select! {
        biased;
        task = &mut started => return task,
        () = stop.wished() => *stopped = true,
    }
    tokio::select! {
        biased;
        task = started => task,
        () = given_up(stop, spec.teardown.grace) => {
            let program = spec.argv[0].to_string_lossy().into_owned();
            Err(Error::new(ErrorKind::TimedOut, "start", program).because("interrupted"))
        }
    }
}

/// Nobody waits any longer for a start that was to be stopped.
async fn given_up(stop: &mut impl Stop, grace: Duration) {
    tokio::select! {
        () = stop.wished() => {}
        () = tokio::time::sleep(grace) => {}
    }
}

/// The task runs and cannot be served: ends it at once.
async fn undo(spawner: &dyn Spawner, task: &Task, error: Error) -> Error {
    error.with_cleanup(spawner.destroy_task(task, &Teardown::at_once()).await)
}

/// Destroys the task by the ladder; the second wish to stop, `asked` being the first, skips the grace.
async fn destroy(
    spawner: &dyn Spawner,
    task: &Task,
    teardown: &Teardown,
    stop: &mut impl Stop,
    asked: bool,
) -> CleanupOutcome {
    let impatient = async {
        if !asked {
            stop.wished().await;
        }
        stop.wished().await;
    };
    tokio::select! {
        biased;
        outcome = spawner.destroy_task(task, teardown) => return outcome,
        () = impatient => {}
    }
    spawner.destroy_task(task, &Teardown::at_once().deadline(teardown.deadline)).await
}

#[cfg(test)]
mod tests;
