//! Holds the place of `spawner_process::ProcessSpawner` until that exists.
#![allow(missing_docs)]

use spawner_core::fake::{FakeSpawner, Script};
use spawner_core::*;
pub use spawner_process::{Declared, ProcessConfig, declared};

pub struct ProcessSpawner(FakeSpawner, String);

impl ProcessSpawner {
    pub fn new(_: ProcessConfig) -> Result<Self> {
        let script = Script { exit: Some(Exit::Exited { code: 0 }), ..Script::default() };
        Ok(Self(FakeSpawner::new(script), "process".into()))
    }
    pub fn named(mut self, name: &str) -> Self {
        self.1 = name.into();
        self
    }
    pub async fn shutdown(self) -> Result<()> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl Spawner for ProcessSpawner {
    fn name(&self) -> &str {
        &self.1
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
