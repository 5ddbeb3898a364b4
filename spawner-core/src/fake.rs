//! A backend of no operating system: every step does what its script says.
//!
//! For tests of harnesses (what do you do when the verdict is `Leaked`?) and of the conformance suite
//! itself, which must fail on a backend that lies.

mod rungs;
mod script;

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use async_trait::async_trait;
pub use script::{Fault, Heeds, Script, Step};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::admission::Admitted;
use crate::capability::{Capabilities, Capability, Support};
use crate::cleanup::{CleanupOutcome, Fate, Mechanism};
use crate::error::{Error, ErrorKind, Result};
use crate::exit::Exit;
use crate::id::TaskId;
use crate::journal::Journal;
use crate::ladder::{Progress, Rungs};
use crate::spawner::{Check, Spawner};
use crate::start::{Ledger, StartGuard};
use crate::stream::TaskStreams;
use crate::task::{Task, TaskRecord, TaskState};
use crate::teardown::Teardown;
use rungs::FakeRungs;

/// A backend whose tasks exist in memory only.
#[derive(Debug, Clone)]
pub struct FakeSpawner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    tasks: StdMutex<HashMap<TaskId, Arc<FakeTask>>>,
    ledger: Ledger,
    journal: Journal,
}

#[derive(Debug)]
struct FakeTask {
    members: watch::Sender<Vec<(Heeds, Option<Fate>)>>,
    exit: StdMutex<Option<(Exit, Instant)>>,
    progress: Arc<Mutex<Progress>>,
    calls: StdMutex<Vec<Step>>,
}

impl FakeSpawner {
    /// A backend whose tasks behave as `script` says.
    pub fn new(script: Script) -> Self {
        let shared = Shared {
            script,
            tasks: StdMutex::default(),
            ledger: Ledger::default(),
            journal: Journal::none(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How many members of all tasks are still there.
    pub fn alive(&self) -> usize {
        let tasks = self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks
            .values()
            .map(|task| task.members.borrow().iter().filter(|(_, fate)| fate.is_none()).count())
            .sum()
    }

    /// The ids of those members of a task that are still there, as an outside witness would see them.
    pub fn alive_of(&self, task: &Task) -> Vec<String> {
        let Ok(task) = self.find(task) else { return Vec::new() };
        let members = task.members.borrow();
        let alive = members.iter().enumerate().filter(|(_, (_, fate))| fate.is_none());
        alive.map(|(index, _)| (index + 1).to_string()).collect()
    }

    /// How many tasks were made, be it only in part.
    pub fn started(&self) -> usize {
        self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Ends all members of a task, whatever they heed: what a person does who follows a remedy.
    pub fn reap_by_hand(&self, task: &Task) {
        if let Ok(task) = self.find(task) {
            task.end(|_, _| true, Fate::AlreadyGone);
        }
    }

    /// The steps that were taken on a task, in order.
    pub fn calls(&self, task: &Task) -> Vec<Step> {
        self.find(task).map_or_else(|_| Vec::new(), |task| task.lock_calls().clone())
    }

    fn find(&self, task: &Task) -> Result<Arc<FakeTask>> {
        let tasks = self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || Error::new(ErrorKind::UnknownTask, "find the task", task.id().to_string());
        tasks.get(&task.id()).cloned().ok_or_else(unknown)
    }

    async fn fault(&self, step: Step) -> Result<()> {
        if !self.shared.script.latency.is_zero() {
            tokio::time::sleep(self.shared.script.latency).await;
        }
        match self.shared.script.faults.get(&step) {
            None => Ok(()),
            Some(Fault::Fail) => Err(Error::new(ErrorKind::Io, "take the step", format!("{step:?}"))),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Panic) => panic!("the script says so at {step:?}"),
        }
    }
}

impl FakeTask {
    fn lock_calls(&self) -> std::sync::MutexGuard<'_, Vec<Step>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends those members that `heed`.
    fn end(&self, heed: impl Fn(usize, Heeds) -> bool, fate: Fate) {
        self.members.send_modify(|members| {
            for (index, (heeds, own)) in members.iter_mut().enumerate() {
                if own.is_none() && heed(index, *heeds) {
                    *own = Some(fate);
                }
            }
            // Before anybody is notified, so that who waits for the exit finds it.
            let mut exit = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
            if exit.is_none() && members.first().is_none_or(|(_, fate)| fate.is_some()) {
                let how = match fate {
                    Fate::Exited => Exit::Exited { code: 0 },
                    Fate::Killed => Exit::Signalled { signal: 9, core: false },
                    _ => Exit::Signalled { signal: 15, core: false },
                };
                *exit = Some((how, Instant::now()));
            }
        });
    }
}

#[async_trait]
impl Spawner for FakeSpawner {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn kind(&self) -> &'static str {
        "fake"
    }

    fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    fn capabilities(&self) -> &Capabilities {
        &self.shared.script.capabilities
    }

    async fn check(&self) -> Result<Check> {
        Ok(Check { answered: "fake".into(), notes: Vec::new() })
    }

    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        self.fault(Step::Start).await?;
        let script = &self.shared.script;
        let mut members: Vec<_> = script.members.iter().map(|&heeds| (heeds, None)).collect();
        if let (Some(leader), Some(_)) = (members.first_mut(), &script.exit) {
            leader.1 = Some(Fate::Exited);
        }
        let state = Arc::new(FakeTask {
            members: watch::Sender::new(members),
            exit: StdMutex::new(script.exit.clone().map(|exit| (exit, Instant::now()))),
            progress: Arc::default(),
            calls: StdMutex::default(),
        });
        let task = Task::new(TaskRecord {
            mechanisms: vec![Mechanism::Fake],
            ..TaskRecord::of(TaskId::random(), self.name(), &spec)
        });
        for (index, &heeds) in script.members.iter().enumerate() {
            if let Heeds::Time(after) = heeds {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    state.end(|other, _| other == index, Fate::Exited);
                });
            }
        }
        self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(task.id(), state);
        let (spawner, doomed) = (self.clone(), task.clone());
        let guard = StartGuard::new(&self.shared.ledger, move || async move {
            spawner.destroy_task(&doomed, &Teardown::at_once()).await
        });
        if let Err(error) = self.fault(Step::Started).await {
            return Err(guard.fail(error).await);
        }
        guard.succeed();
        Ok(task)
    }

    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        let task = self.find(task)?;
        let Some((exit, _)) = task.exit.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Ok(TaskState::Running);
        };
        let settled = task.progress.try_lock().is_ok_and(|progress| progress.settled());
        Ok(if settled { TaskState::Gone(exit) } else { TaskState::Ended(exit) })
    }

    async fn wait_task(&self, task: &Task) -> Result<Exit> {
        let task = self.find(task)?;
        let mut members = task.members.subscribe();
        loop {
            if let Some((exit, _)) = task.exit.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return Ok(exit);
            }
            if members.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn task_output(&self, _: &Task) -> Result<TaskStreams> {
        Ok(TaskStreams::default())
    }

    async fn signal_task(&self, _: &Task, _: i32) -> Result<()> {
        let Support::Unsupported { why } = &self.shared.script.capabilities.signal else { return Ok(()) };
        Err(crate::admission::refusal(self.name(), Capability::Signal, why))
    }

    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        let task = self.find(task)?;
        let progress = Arc::clone(&task.progress).lock_owned().await;
        Ok(Box::new(FakeRungs { spawner: self.clone(), task, progress }))
    }

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        let task = Task::new(record.clone());
        self.find(&task).map(|_| task)
    }

    async fn unrecorded(&self) -> Vec<TaskRecord> {
        Vec::new()
    }

    fn abandoned(&self) -> Vec<CleanupOutcome> {
        self.shared.ledger.take()
    }
}
