//! What the backends of all Unix systems share: the standard streams of a task, and what kept it from being started.

pub(crate) mod not_executed;
mod pty;
pub(crate) mod ready;
pub(crate) mod stdio;
pub(crate) mod streams;

/// The variable by which a task's processes are found when nothing else knows them any more.
pub(crate) const MARK: &str = "SPAWNER_TASK_ID";
