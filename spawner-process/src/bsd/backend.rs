//! The process backend: the trait, for tasks of this machine.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rustix::process::Signal;
use spawner_core::sweep::Aside;
use spawner_core::{
    Admitted, Capabilities, Check, CleanupOutcome, Error, ErrorKind, Exit, Journal, Registry, Result, Rungs,
    Spawner, Task, TaskId, TaskRecord, TaskState, TaskStreams, processes,
};

use super::live::Live;
use super::probe;
use super::rungs::GroupRungs;
use super::watcher::{self, Watcher};
use crate::config::{Choice, ProcessConfig};
use crate::declared::without_keeper;
use crate::unix::streams;

/// Starts tasks on this machine.
///
/// The first task starts one small helper process, which ends the tasks when the harness dies. Dropping the spawner ends
/// every task that it still has; [`ProcessSpawner::shutdown`] waits until that is done. Of the configuration,
/// `cgroup_parent` and `supervisor` are for other systems.
#[derive(Debug)]
pub struct ProcessSpawner {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) config: ProcessConfig,
    pub(super) journal: Journal,
    pub(super) watcher: Watcher,
    capabilities: Capabilities,
    pub(super) tasks: Registry<Live>,
    /// The look for what dead harnesses left.
    pub(super) sweep: Aside,
}

impl ProcessSpawner {
    /// A spawner that works as configured. Looks at the host, and starts nothing yet.
    ///
    /// Fails with [`ErrorKind::Unavailable`] where the configured mechanism does not work here.
    pub fn new(config: ProcessConfig) -> Result<Self> {
        Self::named("process", config)
    }

    /// The same, under the name that the configuration gives it.
    pub fn named(name: impl Into<String>, config: ProcessConfig) -> Result<Self> {
        probe::settle(&config)?;
        let shared = Shared {
            name: name.into(),
            journal: Journal::in_folder(config.state_dir.as_deref()),
            config,
            watcher: watcher::new(),
            capabilities: without_keeper::capabilities(),
            tasks: Registry::default(),
            sweep: Aside::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The mechanism that tasks are kept by.
    #[allow(clippy::unused_self, reason = "the signature is that of other systems")]
    pub fn mechanism(&self) -> Choice {
        Choice::ProcessGroup
    }

    /// Ends every task that is still there, and waits until the helper that does so has ended.
    pub async fn shutdown(self) -> Result<()> {
        self.shared.sweep.done().await;
        self.shared.watcher.close();
        let left = self.shared.watcher.left().await;
        self.shared.tasks.take_all().iter().for_each(|live| live.reap());
        left
    }

    /// The same as [`ProcessSpawner::shutdown`], on this system.
    pub async fn release(self) -> Result<()> {
        self.shutdown().await
    }
}

impl Shared {
    /// Nothing is to be seen of it any more.
    pub(super) fn forget(&self, id: TaskId) {
        self.watcher.forget(id);
        self.tasks.forget(id);
    }
}

impl Drop for Shared {
    /// The helper ends what is still there, once the watcher is dropped; the harness should not keep zombies, nor wait here.
    fn drop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(8);
        let mut left = self.tasks.take_all();
        if left.is_empty() {
            return;
        }
        let reap = move || {
            let deadline = Instant::now() + PATIENCE;
            while !left.is_empty() && Instant::now() < deadline {
                left.retain(|live| {
                    live.reap();
                    live.exit().is_none()
                });
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        if let Err(error) = std::thread::Builder::new().name("spawner-reaper".into()).spawn(reap) {
            tracing::warn!(%error, "nobody waits for the last tasks, whose main processes stay zombies");
        }
    }
}

#[async_trait]
impl Spawner for ProcessSpawner {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn kind(&self) -> &'static str {
        crate::KIND
    }

    fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    async fn check(&self) -> Result<Check> {
        processes::all().map_err(|source| Error::io("read", "the process table", source))?;
        self.shared.watcher.ready()?;
        Ok(Check { answered: Cow::Borrowed(self.mechanism().name()), notes: Vec::new() })
    }

    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        self.start(&spec)
    }

    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        let live = self.shared.tasks.find(task)?;
        Ok(match live.exit() {
            None => TaskState::Running,
            Some((exit, _)) => TaskState::Ended(exit),
        })
    }

    async fn wait_task(&self, task: &Task) -> Result<Exit> {
        Ok(self.shared.tasks.find(task)?.ended().await.0)
    }

    async fn task_output(&self, task: &Task) -> Result<TaskStreams> {
        let live = self.shared.tasks.find(task)?;
        let ends = live.ends.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ends {
            Some(ends) => streams::open(ends, || live.over()),
            None => Err(Error::new(ErrorKind::Taken, "take the streams of task", task.id().to_string())),
        }
    }

    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        let live = self.shared.tasks.find(task)?;
        let failed = |kind| Error::new(kind, format!("send signal {signal} to task"), task.id().to_string());
        let Some(number) = Signal::from_named_raw(signal) else {
            return Err(failed(ErrorKind::InvalidSpec).because("there is no such signal"));
        };
        match live.signal(number) {
            Some(sent) => sent.map_err(|error| failed(ErrorKind::Denied).because(error)),
            None => Err(failed(ErrorKind::UnknownTask).because("it has ended")),
        }
    }

    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        let live = self.shared.tasks.find(task)?;
        let progress = Arc::clone(&live.progress).lock_owned().await;
        Ok(Box::new(GroupRungs { shared: Arc::clone(&self.shared), live, progress, seen: None }))
    }

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        self.recover(record)
    }

    /// A mark alone does not say whose harness is dead, so nothing is found by it that is on no record.
    async fn unrecorded(&self) -> Vec<TaskRecord> {
        Vec::new()
    }

    /// A start is over when it returns, or had made nothing.
    fn abandoned(&self) -> Vec<CleanupOutcome> {
        Vec::new()
    }
}
