//! The same, with what core does for every backend.

use async_trait::async_trait;
use spawner_core::spawner::Check;
use spawner_core::{
    Admitted, Capabilities, CleanupOutcome, Exit, Journal, Result, Rungs, Spawner, Task, TaskRecord,
    TaskState, TaskStreams,
};

use super::Naive;

/// The same backend with the core's own `spawn_task`, which refuses what is not supported.
pub(super) struct NaiveCore<'a>(pub(super) &'a Naive);

#[async_trait]
impl Spawner for NaiveCore<'_> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn kind(&self) -> &str {
        self.0.kind()
    }

    fn journal(&self) -> &Journal {
        self.0.journal()
    }

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        self.0.recover_task(record).await
    }

    async fn unrecorded(&self) -> Vec<TaskRecord> {
        self.0.unrecorded().await
    }

    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }

    async fn check(&self) -> Result<Check> {
        self.0.check().await
    }

    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        self.0.start_task(spec).await
    }

    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        self.0.task_state(task).await
    }

    async fn wait_task(&self, task: &Task) -> Result<Exit> {
        self.0.wait_task(task).await
    }

    async fn task_output(&self, task: &Task) -> Result<TaskStreams> {
        self.0.task_output(task).await
    }

    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        self.0.signal_task(task, signal).await
    }

    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        self.0.rungs(task).await
    }

    fn abandoned(&self) -> Vec<CleanupOutcome> {
        self.0.abandoned()
    }
}
