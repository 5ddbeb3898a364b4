//! How tasks end on Unix: of signals.

use std::process::Command;
use std::sync::Arc;

use spawner_core::{Error, Exit, Task};

use crate::case::{Checked, require};
use crate::cases::detach::patient;
use crate::scene::Scene;

/// What the workload that heeds a signal heeds.
pub(crate) const HEEDED: i32 = libc::SIGUSR1;

fn signalled(signal: i32) -> Exit {
    Exit::Signalled { signal, core: false }
}

/// Asserts that a task without a handler has ended of the request.
pub(crate) async fn ended_when_asked(scene: &Scene, task: &Task) -> Checked {
    // A first process that has no handler never hears the request, and what it asks for is done to it.
    let signal = if scene.is_first().await? { libc::SIGKILL } else { libc::SIGTERM };
    scene.wait_for(task, &signalled(signal)).await
}

/// Asserts that a task has ended of force.
pub(crate) async fn ended_by_force(scene: &Scene, task: &Task) -> Checked {
    scene.wait_for(task, &signalled(libc::SIGKILL)).await
}

/// A signal needs no way of its own.
pub(crate) fn has_no_way(_: &Error) -> bool {
    false
}

/// Whether this is how a task ends that somebody kills.
pub(crate) fn is_killed(exit: &Exit) -> bool {
    matches!(exit, Exit::Signalled { signal: libc::SIGKILL, .. })
}

/// Whether this is how a task without a handler ends of an interrupt.
pub(crate) fn is_interrupted(exit: &Exit) -> bool {
    matches!(exit, Exit::Signalled { signal: libc::SIGINT, .. })
}

/// The statuses that every platform has are all that there are.
pub(crate) async fn more_statuses(_: &Scene) -> Checked {
    Ok(())
}

/// A program that says back what it is told, apart from this one's process group.
pub(crate) fn innocent() -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new("cat");
    command.process_group(0);
    command
}

pub(crate) async fn signals(scene: Arc<Scene>) -> Checked {
    if scene.is_first().await? {
        return signals_of_a_first(&scene).await;
    }
    let signals = [libc::SIGKILL, libc::SIGTERM, libc::SIGSEGV, libc::SIGABRT, libc::SIGUSR1, libc::SIGPIPE];
    for signal in signals {
        let task = scene.start("dies-of", &[&signal.to_string()]).await?;
        is_told(&scene, &task, signal).await?;
    }
    Ok(())
}

/// A first process does not hear its own signals. It dies of a fault, and of SIGKILL from outside.
async fn signals_of_a_first(scene: &Scene) -> Checked {
    let deaf = scene.start("dies-of", &[&libc::SIGTERM.to_string()]).await?;
    scene.wait_for(&deaf, &Exit::Exited { code: 66 }).await?;
    drop(scene.end(&deaf, &patient()).await?);
    let faulty = scene.start("faults", &[]).await?;
    is_told(scene, &faulty, libc::SIGSEGV).await?;
    let killed = scene.start_ready("well-behaved", &[], 1).await?;
    scene.witness.end_survivors().await?;
    is_told(scene, &killed, libc::SIGKILL).await
}

async fn is_told(scene: &Scene, task: &Task, signal: i32) -> Checked {
    let exit = scene.wait(task).await?;
    let told = matches!(exit, Exit::Signalled { signal: told, .. } if told == signal);
    require!(told, "the task {exit}, and it should be: ended by signal {signal}");
    scene.end(task, &patient()).await.map(drop)
}
