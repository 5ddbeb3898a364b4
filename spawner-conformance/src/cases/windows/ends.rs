//! How tasks end on Windows: with a status, also where they were killed or had a fault.

use std::process::{Command, Stdio};

use spawner_core::{Error, ErrorKind, Exit, Task};

use crate::case::{Checked, require};
use crate::cases::detach::patient;
use crate::mischief;
use crate::scene::Scene;
use crate::win::process::KILLED;

/// SIGBREAK of Windows' C library: a Ctrl-Break.
pub(crate) const HEEDED: i32 = 21;

/// What a process without a handler ends with when the console tells it to.
const STATUS_CONTROL_C_EXIT: u32 = 0xC000_013A;
const STATUS_ACCESS_VIOLATION: u32 = 0xC000_0005;

fn exited(code: u32) -> Exit {
    Exit::Exited { code: code.cast_signed() }
}

/// Asserts that a task without a handler has ended of the request.
pub(crate) async fn ended_when_asked(scene: &Scene, task: &Task) -> Checked {
    scene.wait_for(task, &exited(STATUS_CONTROL_C_EXIT)).await
}

/// Asserts that a task has ended of force: with a status that is none of its own.
pub(crate) async fn ended_by_force(scene: &Scene, task: &Task) -> Checked {
    let exit = scene.wait(task).await?;
    let own = [0, 33, 42, STATUS_CONTROL_C_EXIT].map(exited);
    require!(!own.contains(&exit), "the task {exit}, and it should have been ended by force");
    Ok(())
}

/// Whether a signal could not be sent for want of a console that harness and task share.
pub(crate) fn has_no_way(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
}

/// Whether this is how a task ends that the suite kills.
pub(crate) fn is_killed(exit: &Exit) -> bool {
    *exit == exited(KILLED)
}

/// Whether this is how a task without a handler ends of an interrupt.
pub(crate) fn is_interrupted(exit: &Exit) -> bool {
    *exit == exited(STATUS_CONTROL_C_EXIT)
}

/// What a workload ends with that is started by nobody but this process.
fn alone(scene: &Scene, workload: &str) -> Checked<i32> {
    let own = scene.another()?;
    let mut command = Command::new(scene.program());
    command.args(&own.spec(workload, [""; 0]).argv[1..]).stderr(Stdio::null());
    Ok(command.status()?.code().ok_or("it ended without a status".to_owned())?)
}

/// All 32 bits, of who chose them and of who had a fault; and what somebody else ends it with.
pub(crate) async fn more_statuses(scene: &Scene) -> Checked {
    let statuses = [("exits", "256", 256), ("exits", "2147483647", 0x7FFF_FFFF)];
    let faults = [("faults", "", alone(scene, "faults")?), ("overflows", "", alone(scene, "overflows")?)];
    require!(faults[0].2 == STATUS_ACCESS_VIOLATION.cast_signed(), "a fault ended with {:#x}", faults[0].2);
    for (workload, arg, code) in statuses.into_iter().chain(faults) {
        let task = scene.start(workload, &[arg]).await?;
        scene.wait_for(&task, &Exit::Exited { code }).await?;
        drop(scene.end(&task, &patient()).await?);
    }
    let killed = scene.start_ready("well-behaved", &[], 1).await?;
    scene.witness.end_survivors().await?;
    scene.wait_for(&killed, &exited(KILLED)).await?;
    scene.end(&killed, &patient()).await.map(drop)
}

/// A program that says back what it is told: this one, which is of no task then.
pub(crate) fn innocent() -> Command {
    let token = spawner_core::TaskId::random().to_string();
    let mut command = Command::new(std::env::current_exe().unwrap_or_default());
    let lock = std::env::temp_dir().join(format!("spawner-innocent-{token}"));
    command.args([mischief::ARGUMENT, "repeats"]).arg(lock).arg(token);
    command
}
