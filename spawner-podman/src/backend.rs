//! The podman backend: the trait, for tasks in containers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::carry::Flows;
use spawner_core::start::Ledger;
use spawner_core::sweep::Aside;
use spawner_core::{
    Admitted, Capabilities, Check, CleanupOutcome, Error, ErrorKind, Evidence, Exit, Journal, Registry,
    Result, Rungs, Spawner, Task, TaskId, TaskRecord, TaskState, TaskStreams,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::config::PodmanConfig;
use crate::declared;
use crate::engine::{Engine, PullProgress};
use crate::keep::Keep;
use crate::local::Traces;
use crate::remains;
use crate::task::live::Live;
use crate::task::rungs::{Owner, PodmanRungs};

/// How long it may take to find an engine, and to start a private one.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long an engine may take to answer who only looks.
const LOOK: Duration = Duration::from_secs(3);

/// How many containers are started at one time. What more there are wait here, where no deadline runs yet.
const TURNS: usize = 8;

type OnPull = Arc<dyn Fn(&str, Option<&PullProgress>) + Send + Sync>;

/// Starts tasks in containers.
///
/// The engine is looked for when it is needed first. The first task starts one small helper process, which removes
/// the containers when the harness dies. Dropping the spawner does the same to those that it still has;
/// [`PodmanSpawner::shutdown`] waits until that is done.
#[derive(Debug)]
pub struct PodmanSpawner {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) config: Arc<PodmanConfig>,
    pub(crate) journal: Journal,
    pub(crate) ledger: Ledger,
    pub(crate) keep: Keep,
    /// Starts that may be under way.
    pub(crate) turns: Semaphore,
    /// The look for what dead harnesses left.
    sweep: Aside,
    engine: tokio::sync::Mutex<Option<Engine>>,
    capabilities: OnceLock<Capabilities>,
    pub(crate) tasks: Registry<Live>,
    /// What is on its way to our own streams and files, also of tasks that are gone.
    pub(crate) flows: Flows,
    /// What was found on no record, until somebody recovers it.
    strays: Mutex<HashMap<TaskId, Traces>>,
    on_pull: Mutex<Option<OnPull>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PodmanSpawner {
    /// A spawner that works as configured. Looks for no engine yet.
    pub fn new(config: PodmanConfig) -> Result<Self> {
        Self::named(crate::KIND, config)
    }

    /// The same, under the name that the configuration gives it.
    pub fn named(name: impl Into<String>, config: PodmanConfig) -> Result<Self> {
        let journal = Journal::in_folder(config.state_dir.as_deref());
        Ok(Self {
            shared: Arc::new(Shared {
                name: name.into(),
                journal,
                ledger: Ledger::default(),
                keep: Keep::new(&config),
                turns: Semaphore::new(TURNS),
                sweep: Aside::default(),
                engine: tokio::sync::Mutex::default(),
                capabilities: OnceLock::new(),
                tasks: Registry::default(),
                flows: Flows::default(),
                strays: Mutex::default(),
                on_pull: Mutex::default(),
                config: Arc::new(config),
            }),
        })
    }

    /// Has `told` called with an image's name and what the engine says while it fetches that; with `None` when it is done
    /// with it, failed, or was given up.
    pub fn on_pull(&self, told: impl Fn(&str, Option<&PullProgress>) + Send + Sync + 'static) {
        *self.shared.on_pull.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(told));
    }

    /// Ends every task that is still there, and waits until that is done.
    pub async fn shutdown(self) -> Result<()> {
        self.shared.sweep.done().await;
        self.shared.keep.close();
        self.shared.flows.arrived().await;
        self.shared.keep.left().await?;
        match self.shared.engine.lock().await.take() {
            Some(engine) => engine.end().await,
            None => Ok(()),
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
        let (name, config) = (shared.name.clone(), PodmanConfig::clone(&shared.config));
        shared.sweep.begin(move || {
            let sweeper = Self::named(name, PodmanConfig { sweep: false, ..config })?;
            let is_due = sweeper.shared.journal.has_for_a_sweep(crate::KIND);
            Ok(is_due.then_some(async move { drop(sweeper.sweep().await) }))
        });
    }
}

impl Shared {
    fn strays(&self) -> MutexGuard<'_, HashMap<TaskId, Traces>> {
        self.strays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine, where it is there already: whoever only looks starts none.
    async fn present_engine(&self) -> Result<Option<Engine>> {
        let mut engine = self.engine.lock().await;
        if engine.is_none() {
            *engine = Engine::present(&self.config, Instant::now() + LOOK).await?;
        }
        Ok(engine.clone())
    }

    /// The engine, once it was found.
    pub(crate) async fn engine(&self) -> Result<Engine> {
        let mut engine = self.engine.lock().await;
        if let Some(engine) = engine.as_ref() {
            return Ok(engine.clone());
        }
        let found = Engine::connect(&self.config, Instant::now() + PATIENCE).await?;
        Ok(engine.insert(found).clone())
    }

    /// Fetches the image.
    pub(crate) async fn pull(&self, engine: &Engine, image: &str) -> Result<()> {
        let told = self.on_pull.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let pulling = Pulling { image, told };
        let mut tell = |progress| pulling.tell(Some(&progress));
        engine.pull(image, &mut tell).await
    }
}

impl Owner for Shared {
    fn settled(&self, live: &Live, proof: Evidence) {
        live.settle(proof);
        self.keep.forget(live.id);
        self.tasks.forget(live.id);
    }
}

/// A pull that is told of, to its end.
struct Pulling<'a> {
    image: &'a str,
    told: Option<OnPull>,
}

impl Pulling<'_> {
    fn tell(&self, progress: Option<&PullProgress>) {
        if let Some(told) = &self.told {
            told(self.image, progress);
        }
    }
}

impl Drop for Pulling<'_> {
    fn drop(&mut self) {
        self.tell(None);
    }
}

#[async_trait]
impl Spawner for PodmanSpawner {
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
        self.shared.capabilities.get_or_init(|| declared::here(&self.shared.config))
    }

    async fn check(&self) -> Result<Check> {
        let engine = self.shared.engine().await?;
        let privilege = if engine.is_rootless() { ", rootless" } else { "" };
        let address = &engine.endpoint().address;
        let answered = format!("{} {}{privilege}, at {address}", engine.brand().name(), engine.version());
        Ok(Check { answered: answered.into(), notes: Vec::new() })
    }

    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        self.start(&spec).await
    }

    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        let live = self.shared.tasks.find(task)?;
        Ok(match live.state().await? {
            None => TaskState::Running,
            Some(exit) if live.proof().is_some() => TaskState::Gone(exit),
            Some(exit) => TaskState::Ended(exit),
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
        let streams = live.ends.lock().unwrap_or_else(PoisonError::into_inner).take();
        streams.ok_or_else(|| Error::new(ErrorKind::Taken, "take the streams of task", task.id().to_string()))
    }

    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        self.shared.tasks.find(task)?.signal(signal).await
    }

    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        let live = self.shared.tasks.find(task)?;
        let owner: Arc<dyn Owner> = Arc::clone(&self.shared) as _;
        Ok(Box::new(PodmanRungs::of(owner, live).await))
    }

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        if let Some(task) = self.shared.tasks.known(record) {
            return Ok(task);
        }
        let stray = self.shared.strays().remove(&record.id);
        let (record, live) = match stray {
            Some(traces) => (record.clone(), remains::stray(record.clone(), traces, &self.shared.config)),
            None => remains::recover(&self.shared.journal, &self.shared.config, record).await?,
        };
        Ok(self.shared.tasks.enter(record, Arc::new(live)))
    }

    async fn keep_output(&self, task: &Task, follow: bool) -> Result<()> {
        remains::collect(&*self.shared.tasks.find(task)?, follow).await
    }

    async fn unrecorded(&self) -> Vec<TaskRecord> {
        if let Err(error) = tokio::task::spawn_blocking(remains::end_engines_of_the_dead).await {
            tracing::warn!(%error, "private engines of dead harnesses may be left");
        }
        let engine = match self.shared.present_engine().await {
            Ok(Some(engine)) => engine,
            Ok(None) => return Vec::new(),
            Err(error) => {
                tracing::debug!(%error, "without an engine there are no containers to look for");
                return Vec::new();
            }
        };
        let found = remains::unrecorded(&engine, &self.shared.journal, &self.shared.name).await;
        let mut strays = self.shared.strays();
        found
            .into_iter()
            .map(|(record, traces)| {
                strays.insert(record.id, traces);
                record
            })
            .collect()
    }

    fn abandoned(&self) -> Vec<CleanupOutcome> {
        self.shared.ledger.take()
    }
}
