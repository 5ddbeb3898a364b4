//! The whole life of a task in one call.

use std::future::Future;
use std::time::Duration;

use crate::cleanup::CleanupOutcome;
use crate::error::Result;
use crate::exit::Exit;
use crate::spawner::Spawner;
use crate::spec::TaskSpec;
use crate::task::{Task, TaskState};

/// How a task's life went.
#[derive(Debug)]
#[must_use = "it may say that something was left behind"]
pub struct Finished {
    /// The task.
    pub task: Task,
    /// How its main process ended.
    pub exit: Exit,
    /// What became of everything that it made.
    pub cleanup: CleanupOutcome,
}

/// Starts a task, waits for it or for its timeout, and destroys what it made.
///
/// Streams that the specification asks for are not read here: use
/// [`finish`] with a task whose streams you have taken. Not cancel-safe: where the future is dropped, a
/// task that was started goes on until its backend ends it; to end it early, use the `stop` of [`finish`].
pub async fn run(spawner: &dyn Spawner, spec: &TaskSpec) -> Result<Finished> {
    let task = spawner.spawn_task(spec).await?;
    Ok(finish(spawner, task, spec, std::future::pending()).await)
}

/// Waits for a started task, its timeout or `stop`, whichever is first, and destroys what it made.
///
/// `spec` is the one that the task was started with; its `timeout` and `teardown` count.
pub async fn finish(
    spawner: &dyn Spawner,
    task: Task,
    spec: &TaskSpec,
    stop: impl Future<Output = ()> + Send,
) -> Finished {
    let exit = end(spawner, &task, spec.timeout, stop).await;
    let cleanup = spawner.destroy_task(&task, &spec.teardown).await;
    let exit = match exit {
        Some(exit) => exit,
        None => exit_after_destroy(spawner, &task).await,
    };
    Finished { task, exit, cleanup }
}

/// Waits for a task's main process, its timeout or `stop`, whichever is first; destroys nothing.
///
/// `None` is for `stop`: the task is to be ended, and [`exit_after_destroy`] says how it ended then. Cancel-safe.
pub async fn end(
    spawner: &dyn Spawner,
    task: &Task,
    timeout: Option<Duration>,
    stop: impl Future<Output = ()>,
) -> Option<Exit> {
    let too_long = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        exit = spawner.wait_task(task) => Some(exit.unwrap_or_else(|error| Exit::Lost { why: error.to_string() })),
        () = stop => None,
        () = too_long => Some(Exit::TimedOut),
    }
}

/// How the main process of a destroyed task ended.
pub async fn exit_after_destroy(spawner: &dyn Spawner, task: &Task) -> Exit {
    match spawner.task_state(task).await {
        Ok(TaskState::Ended(exit) | TaskState::Gone(exit)) => exit,
        Ok(TaskState::Running) => Exit::Lost { why: "it is still running".into() },
        Err(error) => Exit::Lost { why: error.to_string() },
    }
}
