//! The process backend: the trait, for tasks of this machine.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use spawner_core::start::Ledger;
use spawner_core::{
    Admitted, Capabilities, Check, CleanupOutcome, Error, ErrorKind, Evidence, Exit, Journal,
    ProcessIdentity, Result, Rungs, Spawner, StartGuard, Task, TaskId, TaskRecord, TaskSpec, TaskState,
    TaskStreams, Teardown,
};

use crate::cgroup::Limiters;
use crate::config::ProcessConfig;
use crate::harness::keeper_link::KeeperLink;
use crate::harness::keepers::Keepers;
use crate::harness::live::Live;
use crate::harness::rungs::ProcessRungs;
use crate::harness::stdio::{self, Ends};
use crate::harness::streams;
use crate::obstacle;
use crate::probe;
use crate::words::{Order, Reply, SetUp, Start, Started};
use spawner_core::proc;

/// The variable by which a task's processes are found when nothing else knows them any more.
pub(crate) const MARK: &str = "SPAWNER_TASK_ID";

/// Starts tasks on this machine.
///
/// The first task starts one supervisor, a small helper process; see the crate's documentation. Dropping
/// the spawner ends every task that it still has, as the harness's death does; [`ProcessSpawner::shutdown`]
/// waits until that is done.
#[derive(Debug)]
pub struct ProcessSpawner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    name: String,
    set_up: SetUp,
    /// Found out when somebody asks: most tasks have no limits.
    limiters: OnceLock<Limiters>,
    capabilities: OnceLock<Capabilities>,
    pub(crate) keepers: Keepers,
    tasks: Mutex<HashMap<TaskId, Arc<Live>>>,
    ledger: Ledger,
    journal: Journal,
    boot_id: String,
    /// The harness's working directory when the supervisor may have been started.
    folder: Option<PathBuf>,
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
        let set_up = probe::settle(&config)?;
        Ok(Self {
            shared: Arc::new(Shared {
                name: name.into(),
                keepers: Keepers::new(set_up.clone(), config.supervisor),
                set_up,
                limiters: OnceLock::new(),
                capabilities: OnceLock::new(),
                tasks: Mutex::default(),
                ledger: Ledger::default(),
                journal: Journal::locate(),
                boot_id: proc::boot_id(),
                folder: std::env::current_dir().ok(),
            }),
        })
    }

    /// The mechanism that tasks are kept by.
    pub fn mechanism(&self) -> crate::Choice {
        self.shared.set_up.mechanism
    }

    /// Ends every task that is still there, and waits until the supervisor has ended too, which it does when
    /// everything of this spawner was ended and removed.
    pub async fn shutdown(self) -> Result<()> {
        match self.shared.close() {
            Some(supervisor) => supervisor.left().await,
            None => Ok(()),
        }
    }

    /// The same for a program that called [`fork_supervisor`](crate::fork_supervisor): its helpers end side by
    /// side in place of one after the other.
    pub async fn release(self) -> Result<()> {
        if self.shared.tasks().is_empty() {
            self.shared.keepers.release().await
        } else {
            self.shutdown().await
        }
    }

    fn live(&self, task: &Task) -> Result<Arc<Live>> {
        let unknown = || Error::new(ErrorKind::UnknownTask, "find task", task.id().to_string());
        match task.state::<Live>() {
            Some(live) => Ok(live),
            None => self.shared.tasks().get(&task.id()).cloned().ok_or_else(unknown),
        }
    }

    async fn start(&self, spec: &TaskSpec) -> Result<Task> {
        let id = TaskId::random();
        let streams = stdio::open(spec)?;
        let start = self.shared.prepare(id, spec, streams.terminal);
        let keeper = self.shared.keepers.take().await?;
        let birth = Birth { shared: Arc::clone(&self.shared), keeper, id, spec: spec.clone() };
        let number = match birth.keeper.say(Order::Start(Box::new(start)), streams.task) {
            Ok(number) => number,
            Err(error) => {
                birth.keeper.link.close();
                return Err(error);
            }
        };
        let keeper = Arc::clone(&birth.keeper);
        let guard = StartGuard::new(&self.shared.ledger, move || birth.undo(number));
        match keeper.answer(number).await {
            Ok(Reply::Started(started)) => {
                guard.succeed();
                Ok(self.shared.adopt(id, spec, started, keeper, streams.ends))
            }
            Ok(Reply::NotStarted(obstacle)) => {
                guard.succeed();
                self.shared.keepers.give_back(keeper);
                Err(obstacle::error(&obstacle, spec))
            }
            Ok(other) => {
                Err(guard.fail(Error::new(ErrorKind::Lost, "start the task", format!("{other:?}"))).await)
            }
            Err(error) => Err(guard.fail(error).await),
        }
    }
}

/// A task that a keeper was told to start, and whose start nobody awaits any more.
struct Birth {
    shared: Arc<Shared>,
    keeper: Arc<KeeperLink>,
    id: TaskId,
    spec: TaskSpec,
}

impl Birth {
    /// Waits for the start that can no longer be called back, and ends what was started.
    async fn undo(self, number: u32) -> Option<CleanupOutcome> {
        match tokio::time::timeout(PATIENCE_WITH_START, self.keeper.answer(number)).await {
            Ok(Ok(Reply::Started(started))) => {
                let task = self.shared.adopt(self.id, &self.spec, started, self.keeper, Ends::default());
                let spawner = ProcessSpawner { shared: self.shared };
                Some(spawner.destroy_task(&task, &Teardown::at_once()).await)
            }
            Ok(Ok(Reply::NotStarted(_))) => {
                self.shared.keepers.give_back(self.keeper);
                None
            }
            // The keeper is stuck or gone. Closing its socket has it end what it may have started; whether
            // it did is not known.
            Ok(_) | Err(_) => {
                self.keeper.link.close();
                if let Err(error) = self.shared.keepers.end(self.keeper.pid).await {
                    tracing::warn!(%error, "a keeper that does not answer may still be there");
                }
                let task = Task::new(self.shared.record_of(self.id, &self.spec, None));
                let spawner = ProcessSpawner { shared: self.shared };
                Some(spawner.destroy_task(&task, &Teardown::at_once()).await)
            }
        }
    }
}

/// How long an abandoned start may take before its keeper counts as stuck.
const PATIENCE_WITH_START: std::time::Duration = std::time::Duration::from_secs(5);

fn name_of(spec: &TaskSpec) -> String {
    let program = spec.argv.first().map(OsString::as_os_str).unwrap_or_default();
    let name = std::path::Path::new(program).file_name().unwrap_or(program);
    name.to_string_lossy().into_owned()
}

impl Shared {
    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, Arc<Live>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the keeper needs to know.
    fn prepare(&self, id: TaskId, spec: &TaskSpec, terminal: Option<u8>) -> Start {
        let mut env = spec.env.resolve(std::env::vars_os());
        env.insert(MARK.into(), id.to_string().into());
        let path = env
            .get::<std::ffi::OsStr>("PATH".as_ref())
            .map_or(&b"/usr/local/bin:/bin:/usr/bin"[..], |path| path.as_bytes());
        let path = path.to_vec();
        let cwd = spec.cwd.clone().or_else(|| {
            // Helpers are where the harness was when they were started.
            std::env::current_dir().ok().filter(|now| Some(now) != self.folder.as_ref())
        });
        Start {
            argv: spec.argv.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
            env: env
                .into_iter()
                .map(|(name, value)| [name.into_vec(), b"=".to_vec(), value.into_vec()].concat())
                .collect(),
            path,
            cwd: cwd.map(|cwd| cwd.into_os_string().into_vec()),
            terminal,
            limits: (!spec.limits.is_empty()).then(|| (spec.limits, self.limiters().clone())),
        }
    }

    fn limiters(&self) -> &Limiters {
        self.limiters.get_or_init(|| probe::limiters(&self.set_up))
    }

    /// A task was started: from now on it is one of ours.
    fn adopt(
        &self,
        id: TaskId,
        spec: &TaskSpec,
        started: Started,
        keeper: Arc<KeeperLink>,
        ends: Ends,
    ) -> Task {
        let record = self.record_of(id, spec, Some(&started));
        let live = Arc::new(Live::new((id, name_of(spec)), started, spec.teardown.linger, keeper, ends));
        self.tasks().insert(id, Arc::clone(&live));
        Task::with_state(record, live)
    }

    fn record_of(&self, id: TaskId, spec: &TaskSpec, started: Option<&Started>) -> TaskRecord {
        TaskRecord {
            leader: started.and_then(|started| {
                Some(ProcessIdentity {
                    boot_id: self.boot_id.clone(),
                    pid: started.pid.cast_unsigned(),
                    start_time: started.start_time?,
                })
            }),
            mechanisms: started.map(|started| started.mechanisms.clone()).unwrap_or_default(),
            ..TaskRecord::of(id, &self.name, spec)
        }
    }

    /// A task was proved gone: it is kept no longer, and its keeper is free.
    pub(crate) fn settled(&self, live: &Live, proof: Evidence) {
        if let Some(keeper) = live.settle(proof) {
            self.keepers.give_back(keeper);
        }
        self.tasks().remove(&live.id);
    }

    fn close(&self) -> Option<crate::harness::keepers::Leaving> {
        for live in self.tasks().values() {
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
        "process"
    }

    fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        Err(Error::new(ErrorKind::UnknownTask, "recover task", record.id.to_string()))
    }

    async fn unrecorded(&self) -> Vec<TaskRecord> {
        Vec::new()
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
        let live = self.live(task)?;
        Ok(match live.exit() {
            None => TaskState::Running,
            Some((exit, _)) if live.proof().is_some() => TaskState::Gone(exit),
            Some((exit, _)) => TaskState::Ended(exit),
        })
    }

    async fn wait_task(&self, task: &Task) -> Result<Exit> {
        Ok(self.live(task)?.ended().await.0)
    }

    async fn task_output(&self, task: &Task) -> Result<TaskStreams> {
        let live = self.live(task)?;
        let ends = live.ends.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ends {
            Some(ends) => streams::open(ends, &live),
            None => Err(Error::new(ErrorKind::Taken, "take the streams of task", task.id().to_string())),
        }
    }

    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        let live = self.live(task)?;
        let ended = || {
            Error::new(ErrorKind::UnknownTask, "signal task", task.id().to_string()).because("it has ended")
        };
        if live.exit().is_some() {
            return Err(ended());
        }
        let link = live.link().ok_or_else(ended)?;
        match link.ask(Order::Signal(signal), Vec::new()).await? {
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
        let live = self.live(task)?;
        let progress = Arc::clone(&live.progress).lock_owned().await;
        Ok(Box::new(ProcessRungs { shared: Arc::clone(&self.shared), live, progress, seen: None }))
    }

    fn abandoned(&self) -> Vec<CleanupOutcome> {
        self.shared.ledger.take()
    }
}
