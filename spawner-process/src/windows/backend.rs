//! The process backend: the trait, for tasks of this machine.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use spawner_core::start::Ledger;
use spawner_core::sweep::Aside;
use spawner_core::{
    Admitted, Capabilities, Capability, Check, CleanupOutcome, Error, ErrorKind, Evidence, Exit, Journal,
    Registry, Result, Rungs, Spawner, Task, TaskRecord, TaskState, TaskStreams, Teardown,
};

use super::job::Job;
use super::live::Live;
use super::port::Port;
use super::probe;
use super::rungs::ProcessRungs;
use super::{KILLED, ask, streams};
use crate::config::{Choice, ProcessConfig};

/// How long what a dropped spawner has ended may take to be gone, before its records are left to a sweep.
const PATIENCE: Duration = Duration::from_secs(5);

/// The numbers of SIGINT, SIGKILL and SIGBREAK in the C runtime (signal.h; SIGKILL as everywhere else).
const SIGNALS: [i32; 3] = [2, 9, 21];

/// Starts tasks on this machine, each in a Job Object of its own.
///
/// Dropping the spawner ends every task that it has started, as the harness's death does;
/// [`ProcessSpawner::shutdown`] waits until that is done.
#[derive(Debug)]
pub struct ProcessSpawner {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: String,
    mechanism: Choice,
    capabilities: OnceLock<Capabilities>,
    pub(super) config: ProcessConfig,
    pub(super) journal: Journal,
    pub(super) ledger: Ledger,
    pub(super) tasks: Registry<Live>,
    /// Made for the first task.
    machinery: Mutex<Option<Arc<Machinery>>>,
    /// The look for what dead harnesses left.
    pub(super) sweep: Aside,
}

/// What all tasks of a spawner share.
#[derive(Debug)]
pub(super) struct Machinery {
    /// The job of the harness, around those of its tasks. It has no name, so nobody else holds a handle: with this
    /// one, everything in it ends, also what another harness has recovered.
    pub(super) outer: Job,
    pub(super) port: Port,
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
        let mechanism = probe::settle(&config)?;
        Ok(Self {
            shared: Arc::new(Shared {
                name: name.into(),
                mechanism,
                capabilities: OnceLock::new(),
                journal: Journal::in_folder(config.state_dir.as_deref()),
                config,
                ledger: Ledger::default(),
                tasks: Registry::default(),
                machinery: Mutex::default(),
                sweep: Aside::default(),
            }),
        })
    }

    /// The mechanism that tasks are kept by.
    pub fn mechanism(&self) -> Choice {
        self.shared.mechanism
    }

    /// Ends every task that it has started and that is still there, and waits until they are gone.
    pub async fn shutdown(self) -> Result<()> {
        self.shared.sweep.done().await;
        let mut own = self.shared.tasks.all();
        own.retain(|live| live.is_own());
        let mut left = Vec::new();
        for live in own {
            let mut record = TaskRecord::of(live.id, &self.shared.name, &spawner_core::TaskSpec::new(["-"]));
            record.mechanisms.clone_from(&live.mechanisms);
            let outcome = self.destroy_task(&Task::with_state(record, live), &Teardown::at_once()).await;
            left.extend(outcome.leftovers().map(|leftover| leftover.to_string()));
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::TimedOut, "end", "every task").because(left.join("; ")))
    }

    /// The same: there is no helper that could end aside.
    pub async fn release(self) -> Result<()> {
        self.shutdown().await
    }
}

impl Shared {
    pub(super) fn machinery(&self) -> Result<Arc<Machinery>> {
        let mut machinery = self.machinery.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machinery) = &*machinery {
            return Ok(Arc::clone(machinery));
        }
        let failed = |source| Error::io("make", "a job for the tasks of this harness", source);
        let made = Arc::new(Machinery {
            outer: Job::new(None).map_err(failed)?,
            port: Port::new().map_err(failed)?,
        });
        *machinery = Some(Arc::clone(&made));
        Ok(made)
    }

    /// From now on it is one of ours.
    pub(super) fn enter(&self, record: TaskRecord, live: Live) -> Task {
        self.tasks.enter(record, Arc::new(live))
    }

    /// A task was proved gone: it is kept no longer.
    pub(super) fn settled(&self, live: &Live, proof: Evidence) {
        live.settle(proof);
        self.tasks.forget(live.id);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let machinery = self.machinery.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(machinery) = machinery else { return };
        let mut own = self.tasks.take_all();
        own.retain(|live| live.is_own());
        if let Err(error) = machinery.outer.terminate(KILLED) {
            tracing::warn!(%error, "the tasks end with this process");
        }
        if own.is_empty() {
            return;
        }
        // The harness should not wait here.
        let work = move || close_records(&machinery, &own);
        if let Err(error) = std::thread::Builder::new().name("spawner-reaper".into()).spawn(work) {
            tracing::warn!(%error, "the records of its tasks are left to a sweep");
        }
    }
}

/// Closes the records of tasks that are seen to be gone. The others, and those with a folder to be removed, are left to
/// a sweep.
fn close_records(machinery: &Machinery, tasks: &[Arc<Live>]) {
    let deadline = Instant::now() + PATIENCE;
    while machinery.outer.account().map_or(1, |account| account.active) > 0 {
        if Instant::now() > deadline {
            return tracing::warn!("a task takes long to end, and is left to a sweep");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for page in tasks.iter().filter(|live| live.scratch.is_none()).filter_map(|live| live.page.as_ref()) {
        if let Err(error) = page.close_alone() {
            tracing::warn!(%error, "a record is left to a sweep");
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
        self.shared.capabilities.get_or_init(probe::capabilities)
    }

    async fn check(&self) -> Result<Check> {
        self.shared.machinery()?;
        Ok(Check { answered: Cow::Borrowed(self.mechanism().name()), notes: Vec::new() })
    }

    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        self.start(&spec).await
    }

    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        let live = self.shared.tasks.find(task)?;
        Ok(match live.exit() {
            None => TaskState::Running,
            Some((exit, _)) if live.proof().is_some() => TaskState::Gone(exit),
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
            Some(ends) => streams::open(ends, &live),
            None => Err(Error::new(ErrorKind::Taken, "take the streams of task", task.id().to_string())),
        }
    }

    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        let live = self.shared.tasks.find(task)?;
        let [interrupt, kill, pause] = SIGNALS;
        let leader = live.leader.as_ref().filter(|_| live.exit().is_none()).ok_or_else(|| {
            Error::new(ErrorKind::UnknownTask, "signal task", task.id().to_string()).because("it has ended")
        })?;
        let done = match signal {
            _ if signal == interrupt || signal == pause => ask::press_break(leader.pid(), &[leader.pid()]),
            _ if signal == kill => leader.terminate(KILLED),
            _ => {
                return Err(Error::new(
                    ErrorKind::Unsupported(Capability::Signal),
                    format!("send signal {signal} to task"),
                    task.id().to_string(),
                )
                .because("Windows has SIGINT (2) and SIGBREAK (21), both as CTRL_BREAK, and SIGKILL (9)"));
            }
        };
        done.map_err(|source| {
            let no_way = source.kind() == std::io::ErrorKind::NotConnected;
            let kind = if no_way { ErrorKind::Unavailable } else { ErrorKind::Denied };
            Error::new(kind, format!("send signal {signal} to task"), task.id().to_string()).because(source)
        })
    }

    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        let live = self.shared.tasks.find(task)?;
        let progress = Arc::clone(&live.progress).lock_owned().await;
        Ok(Box::new(ProcessRungs { shared: Arc::clone(&self.shared), live, progress, seen: None }))
    }

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        self.recover(record)
    }

    /// Nothing of a task outlives its harness but its record and what that names.
    async fn unrecorded(&self) -> Vec<TaskRecord> {
        Vec::new()
    }

    fn abandoned(&self) -> Vec<CleanupOutcome> {
        self.shared.ledger.take()
    }
}
