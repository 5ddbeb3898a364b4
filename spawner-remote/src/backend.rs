//! The remote backend: the trait, for tasks on a host that ssh leads to.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::carry::Flows;
use spawner_core::start::Ledger;
use spawner_core::sweep::Aside;
use spawner_core::{
    Admitted, Capabilities, Check, CleanupOutcome, Error, ErrorKind, Evidence, Exit, Journal, Registry,
    Result, Rungs, Spawner, Task, TaskId, TaskRecord, TaskState, TaskStreams, Teardown,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::RemoteConfig;
use crate::declared::{Declared, Means};
use crate::hosts::Hosts;
use crate::keep::{self, Keep};
use crate::lock::lock;
use crate::remains;
use crate::said::Facts;
use crate::session::Host;
use crate::task::live::Live;
use crate::task::rungs::{Owner, RemoteRungs};

/// How long a host may take to say what became of a task, to who asks for its state.
const STATE: Duration = Duration::from_secs(10);

/// Starts tasks on another machine.
///
/// There is one connection, made with the first task, by the `ssh` program; nothing is installed on the host.
/// Dropping the spawner closes it, and the far end then ends every task that is not detached;
/// [`RemoteSpawner::shutdown`] ends them first and waits until that is done.
#[derive(Debug)]
pub struct RemoteSpawner {
    pub(crate) shared: Arc<Shared>,
    /// Whether the connection ends with it.
    owner: bool,
}

pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) config: RemoteConfig,
    pub(crate) journal: Journal,
    pub(crate) ledger: Ledger,
    pub(crate) hosts: Arc<Hosts>,
    pub(crate) keep: Keep,
    /// Whether a record stays where nothing was found and nothing proved.
    keeps_doubtful: bool,
    capabilities: OnceLock<Capabilities>,
    /// What is promised as long as the only host did not answer; by several, what each of them gives.
    least: Capabilities,
    /// The look for what dead harnesses left.
    sweep: Aside,
    pub(crate) tasks: Registry<Live>,
    /// What is on its way to our own streams and files, also of tasks that are gone.
    pub(crate) flows: Flows,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RemoteSpawner {
    /// A spawner that works as configured. Connects to nothing yet.
    pub fn new(config: RemoteConfig) -> Result<Self> {
        Self::named(crate::KIND, config)
    }

    /// The same, under the name that the configuration gives it.
    pub fn named(name: impl Into<String>, config: RemoteConfig) -> Result<Self> {
        Self::made(name.into(), config, false)
    }

    /// One that closes the records of a dead harness.
    pub(crate) fn cleaning(config: RemoteConfig) -> Result<Self> {
        Self::made(crate::KIND.to_owned(), config, true)
    }

    fn made(name: String, config: RemoteConfig, keeps_doubtful: bool) -> Result<Self> {
        let journal = Journal::in_folder(config.state_dir.as_deref());
        let least = if config.destinations.is_empty() {
            promised(&config, None)
        } else {
            Declared::of_several(config.require)
        };
        let token = TaskId::random().to_string();
        let hosts = Hosts::new(&config, &token)?;
        let keep = Keep::new(keep::ROLE, keep::Settings::new(&config, &journal, &token));
        let shared = Arc::new(Shared {
            name,
            config,
            journal,
            ledger: Ledger::default(),
            hosts,
            keep,
            keeps_doubtful,
            capabilities: OnceLock::new(),
            least,
            sweep: Aside::default(),
            tasks: Registry::default(),
            flows: Flows::default(),
        });
        Ok(Self { shared, owner: true })
    }

    /// The same spawner, for who must not end it.
    pub(crate) fn borrowing(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), owner: false }
    }

    /// Ends every task that is still there, closes the connection, and waits until that is done.
    pub async fn shutdown(self) -> Result<()> {
        self.shared.sweep.done().await;
        let left = self.shared.tasks.all();
        let mut ending = JoinSet::new();
        for live in left.into_iter().filter(|live| live.own && !live.is_detached()) {
            let spawner = Self::borrowing(&self.shared);
            ending.spawn(async move {
                let task = Task::with_state(live.record.clone(), live);
                spawner.destroy_task(&task, &Teardown::at_once()).await
            });
        }
        let mut left = None;
        for outcome in ending.join_all().await {
            if !outcome.is_clean() {
                tracing::warn!(%outcome, "a task is left");
                left.get_or_insert(outcome);
            }
        }
        self.shared.flows.arrived().await;
        for link in self.shared.hosts.close() {
            link.closed().await;
        }
        self.shared.keep.close();
        self.shared.keep.left().await?;
        match left {
            None => Ok(()),
            Some(outcome) => Err(Error::new(ErrorKind::Lost, "end every task on", self.shared.hosts.name())
                .because(outcome.to_string())
                .with_cleanup(outcome)),
        }
    }

    /// The same, for a program that runs one task and then ends.
    pub async fn release(self) -> Result<()> {
        self.shutdown().await
    }

    /// Sweeps once, aside, where that is wished for and there may be anything besides the task `own`.
    pub(crate) fn sweep_aside(&self, own: TaskId) {
        let shared = &self.shared;
        if !shared.config.sweep || !shared.sweep.is_first() || !shared.journal.has_others(own) {
            return;
        }
        let (name, config) = (shared.name.clone(), shared.config.clone());
        shared.sweep.begin(move || {
            let sweeper = Self::named(name, RemoteConfig { sweep: false, ..config })?;
            let is_due = sweeper.shared.journal.has_for_a_sweep(crate::KIND);
            Ok(is_due.then_some(async move {
                drop(sweeper.sweep().await);
                if let Err(error) = sweeper.shutdown().await {
                    tracing::warn!(%error, "a connection to sweep with cannot be closed");
                }
            }))
        });
    }

    /// Waits, for a bounded time, for a task of a dead harness to be ended by its guardian.
    pub(crate) async fn ends_by_itself(&self, task: &Task) {
        if let Ok(live) = self.shared.tasks.find(task) {
            live.ends_by_itself().await;
        }
    }
}

impl Drop for RemoteSpawner {
    fn drop(&mut self) {
        if self.owner {
            self.shared.hosts.close();
            self.shared.keep.close();
        }
    }
}

impl Shared {
    /// What was found on the only host decides what is promised, for as long as this lives.
    pub(crate) fn learn(&self, facts: &Facts) {
        if self.hosts.only().is_some() {
            self.capabilities.get_or_init(|| promised(&self.config, Some(facts)));
        }
    }
}

/// The promises for a host, of which all is known that is needed, or nothing.
fn promised(config: &RemoteConfig, facts: Option<&Facts>) -> Capabilities {
    let means = facts.and_then(|facts| Means::choose(facts, config.require).ok()).unwrap_or(Means::Session);
    Declared::of(means).capabilities
}

/// Asks the host in a thread of its own, as who asks for capabilities may be within a runtime that must not block. The
/// connection stays for the first task.
fn probe(host: &Arc<Host>) -> Option<Facts> {
    let host = Arc::clone(host);
    let work = move || -> Result<Facts> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Error::io("start", "a runtime", source))?;
        runtime.block_on(async { Ok(host.connection().await?.facts.clone()) })
    };
    std::thread::spawn(work).join().ok().and_then(|facts| {
        facts.inspect_err(|error| tracing::warn!(%error, "what the host gives is not known")).ok()
    })
}

impl Owner for Shared {
    fn settled(&self, live: &Live, proof: Evidence) {
        self.keep.forget(live.id);
        live.settle(proof);
        self.tasks.forget(live.id);
    }

    fn keeps_doubtful(&self) -> bool {
        self.keeps_doubtful
    }

    fn parted(&self, live: &Live) {
        self.keep.forget(live.id);
        live.part();
        self.tasks.forget(live.id);
    }
}

#[async_trait]
impl Spawner for RemoteSpawner {
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
        let shared = &self.shared;
        if shared.capabilities.get().is_none()
            && let Some(host) = shared.hosts.only()
            && let Some(facts) = probe(host)
        {
            shared.learn(&facts);
        }
        shared.capabilities.get().unwrap_or(&shared.least)
    }

    async fn check(&self) -> Result<Check> {
        self.shared.hosts.check().await
    }

    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        self.start(&spec).await
    }

    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        let live = self.shared.tasks.find(task)?;
        if live.exit().is_none() && !live.own {
            // Nobody tells us of its end but who is asked.
            let ended = timeout(STATE, live.refresh()).await;
            ended.map_err(|_| {
                Error::new(ErrorKind::TimedOut, "ask for the state of task", task.id().to_string())
            })??;
        }
        Ok(match live.exit() {
            None => TaskState::Running,
            Some((exit, _)) if live.proof().is_some() => TaskState::Gone(exit),
            Some((exit, _)) => TaskState::Ended(exit),
        })
    }

    async fn wait_task(&self, task: &Task) -> Result<Exit> {
        let live = self.shared.tasks.find(task)?;
        let (exit, _) = live.ended().await;
        // A process of this host would have written it all before it ended.
        live.flushed().await;
        Ok(exit)
    }

    async fn task_output(&self, task: &Task) -> Result<TaskStreams> {
        let live = self.shared.tasks.find(task)?;
        let streams = lock(&live.ends).take();
        streams.ok_or_else(|| Error::new(ErrorKind::Taken, "take the streams of task", task.id().to_string()))
    }

    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        self.shared.tasks.find(task)?.signal(signal).await
    }

    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        let live = self.shared.tasks.find(task)?;
        let owner: Arc<dyn Owner> = Arc::clone(&self.shared) as _;
        Ok(Box::new(RemoteRungs::of(owner, live).await))
    }

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        if let Some(task) = self.shared.tasks.known(record) {
            return Ok(task);
        }
        let (record, live) = remains::recover(&self.shared, record)?;
        let live = Arc::new(live);
        live.follow();
        Ok(self.shared.tasks.enter(record, live))
    }

    async fn keep_output(&self, task: &Task, follow: bool) -> Result<()> {
        remains::collect(&*self.shared.tasks.find(task)?, follow).await
    }

    /// The far end ends by itself what nobody holds, so there is nothing that is in no journal.
    async fn unrecorded(&self) -> Vec<TaskRecord> {
        Vec::new()
    }

    fn abandoned(&self) -> Vec<CleanupOutcome> {
        self.shared.ledger.take()
    }
}
