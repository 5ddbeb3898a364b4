//! The process backend: the trait, for tasks of this machine.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::journal::Page;
use spawner_core::start::Ledger;
use spawner_core::sweep::Aside;
use spawner_core::{
    Admitted, Capabilities, Check, CleanupOutcome, Error, ErrorKind, Evidence, Exit, Journal,
    ProcessIdentity, Registry, Result, Rungs, Spawner, Task, TaskId, TaskRecord, TaskState, TaskStreams,
};
use tokio::time::Instant;

use crate::config::ProcessConfig;
use crate::linux::cgroup::Limiters;
use crate::linux::harness::keeper_link::KeeperLink;
use crate::linux::harness::keepers::Keepers;
use crate::linux::harness::leaving::{self, Leaving};
use crate::linux::harness::live::Live;
use crate::linux::harness::rungs::ProcessRungs;
use crate::linux::probe;
use crate::linux::remains::Remains;
use crate::linux::words::{Order, Reply, SetUp, Started};
use crate::unix::stdio::Ends;
use crate::unix::streams;

/// Starts tasks on this machine.
///
/// The first task starts one supervisor, a small helper process; see the crate's documentation. Dropping
/// the spawner ends every task that it still has, as the harness's death does; [`ProcessSpawner::shutdown`]
/// waits until that is done.
#[derive(Debug)]
pub struct ProcessSpawner {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) set_up: SetUp,
    /// Found out when somebody asks: most tasks have no limits.
    limiters: OnceLock<Limiters>,
    capabilities: OnceLock<Capabilities>,
    pub(crate) keepers: Keepers,
    pub(crate) tasks: Registry<Live>,
    /// What was found on no record, until somebody recovers it.
    pub(crate) strays: Mutex<HashMap<TaskId, Remains>>,
    pub(crate) config: ProcessConfig,
    /// The look for what dead harnesses left.
    pub(crate) sweep: Aside,
    pub(crate) ledger: Ledger,
    pub(crate) journal: Journal,
    /// The harness's working directory when the supervisor may have been started.
    pub(crate) folder: Option<PathBuf>,
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
        let journal = Journal::in_folder(config.state_dir.as_deref());
        let mut set_up = probe::settle(&config)?;
        set_up.journal = journal.folder().map(std::path::Path::to_owned);
        Ok(Self {
            shared: Arc::new(Shared {
                name: name.into(),
                keepers: Keepers::new(set_up.clone(), config.supervisor.clone()),
                set_up,
                limiters: OnceLock::new(),
                capabilities: OnceLock::new(),
                tasks: Registry::default(),
                strays: Mutex::default(),
                sweep: Aside::default(),
                ledger: Ledger::default(),
                journal,
                folder: std::env::current_dir().ok(),
                config,
            }),
        })
    }

    /// The mechanism that tasks are kept by.
    pub fn mechanism(&self) -> crate::Choice {
        self.shared.set_up.mechanism
    }

    /// Ends every task that is still there, but for detached ones, and waits until all helpers have ended too, which they
    /// do when everything of this spawner was ended and removed. An error says that something of a task may still be there:
    /// its keeper has not ended within 20 seconds, or ended before it saw that nothing is left.
    pub async fn shutdown(self) -> Result<()> {
        self.shared.sweep.done().await;
        let tasks = self.shared.tasks.all();
        let supervisor = self.shared.close();
        let deadline = Instant::now() + leaving::PATIENCE;
        let left = match supervisor {
            Some(supervisor) => supervisor.left(deadline).await,
            None => Ok(()),
        };
        left.and(leaving::seen_through(&tasks, deadline).await)
    }

    /// The same for a program that called [`fork_supervisor`](crate::fork_supervisor): its helpers end side by
    /// side in place of one after the other.
    pub async fn release(self) -> Result<()> {
        self.shared.sweep.done().await;
        if self.shared.tasks.is_empty() { self.shared.keepers.release().await } else { self.shutdown().await }
    }
}

impl Shared {
    pub(crate) fn limiters(&self) -> &Limiters {
        self.limiters.get_or_init(|| probe::limiters(&self.set_up))
    }

    /// A task was started: from now on it is one of ours.
    pub(crate) fn adopt(
        &self,
        record: TaskRecord,
        linger: Duration,
        started: Started,
        keeper: Arc<KeeperLink>,
        (ends, page): (Ends, Option<Page>),
    ) -> Task {
        let identity = |pid: i32, start_time| ProcessIdentity {
            boot_id: self.set_up.boot_id.clone(),
            pid: pid.cast_unsigned(),
            start_time,
        };
        let leader = started.start_time.map(|start_time| identity(started.pid, start_time));
        let record = TaskRecord { leader, mechanisms: started.mechanisms, ..record };
        let init = started.init.and_then(|init| ProcessIdentity::of(init.cast_unsigned()));
        let remains = Self::remains_of(&record, &keeper, init);
        let live = Live::new(&record, linger, Some(keeper), remains, page).with_ends(ends);
        self.enter(record, live)
    }

    /// A task of which nobody can say whether it was started.
    pub(crate) fn adopt_unborn(
        &self,
        record: TaskRecord,
        linger: Duration,
        keeper: Arc<KeeperLink>,
        page: Option<Page>,
    ) -> Task {
        let remains = Self::remains_of(&record, &keeper, None);
        let live = Live::new(&record, linger, Some(keeper), remains, page);
        self.enter(record, live)
    }

    fn remains_of(record: &TaskRecord, keeper: &KeeperLink, init: Option<ProcessIdentity>) -> Remains {
        Remains { id: record.id, keeper: keeper.identity.clone(), parent: keeper.group(), init }
    }

    /// From now on it is one of ours.
    pub(crate) fn enter(&self, record: TaskRecord, live: Live) -> Task {
        self.tasks.enter(record, Arc::new(live))
    }

    /// A task was proved gone: it is kept no longer, and its keeper is free.
    pub(crate) fn settled(&self, live: &Live, proof: Evidence) {
        match live.settle(proof) {
            Some(keeper) if keeper.supervisor.is_some() => self.keepers.give_back(keeper),
            // Another harness's.
            Some(keeper) => keeper.link.close(),
            None => {}
        }
        self.tasks.forget(live.id);
    }

    fn close(&self) -> Option<Leaving> {
        for live in self.tasks.all() {
            live.abandon();
        }
        self.keepers.close()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let Some(supervisor) = self.close() else { return };
        // The harness should not keep a zombie, nor wait here.
        let reaper = std::thread::Builder::new().name("spawner-reaper".into());
        let spawned = reaper.spawn(move || {
            if let Err(error) = supervisor.wait() {
                tracing::warn!(%error, "the supervisor has not left");
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "nobody waits for the supervisor, which stays a zombie");
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

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        self.recover(record).await
    }

    async fn unrecorded(&self) -> Vec<TaskRecord> {
        self.find_strays()
    }

    fn capabilities(&self) -> &Capabilities {
        let shared = &self.shared;
        shared.capabilities.get_or_init(|| probe::capabilities(shared.set_up.mechanism, shared.limiters()))
    }

    async fn check(&self) -> Result<Check> {
        let keeper = self.shared.keepers.take().await?;
        self.shared.keepers.give_back(keeper);
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
            Some(ends) => streams::open(ends, || live.over()),
            None => Err(Error::new(ErrorKind::Taken, "take the streams of task", task.id().to_string())),
        }
    }

    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        let live = self.shared.tasks.find(task)?;
        let ended = || {
            Error::new(ErrorKind::UnknownTask, "signal task", task.id().to_string()).because("it has ended")
        };
        if live.exit().is_some() {
            return Err(ended());
        }
        let link = live.link().ok_or_else(ended)?;
        match link.have_done(Order::Signal(signal)).await? {
            Reply::Done => Ok(()),
            Reply::Failed(_) if live.exit().is_some() => Err(ended()),
            Reply::Failed(why) => Err(Error::new(
                ErrorKind::Denied,
                format!("send signal {signal} to task"),
                task.id().to_string(),
            )
            .because(why)),
            other => Err(Error::new(ErrorKind::Lost, "understand", format!("{other:?}"))),
        }
    }

    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        let live = self.shared.tasks.find(task)?;
        let progress = Arc::clone(&live.progress).lock_owned().await;
        Ok(Box::new(ProcessRungs { shared: Arc::clone(&self.shared), live, progress, seen: None }))
    }

    fn abandoned(&self) -> Vec<CleanupOutcome> {
        self.shared.ledger.take()
    }
}
