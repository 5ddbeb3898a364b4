//! A small real backend, and its faulty variants.
//!
//! It makes this very process the subreaper of one task at a time, and looks at `/proc` again and again.
//! That is honest and slow; each [`Flaw`] takes away a piece of the honesty.

mod command;
mod flaw;
mod rungs;
mod sweep;
mod tree;
mod with_core;

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use spawner_core::journal::Page;
use spawner_core::ladder::Progress;
use spawner_core::spawner::Check;
use spawner_core::{
    Admitted, Capabilities, CleanupOutcome, Error, ErrorKind, Exit, Journal, Mechanism, ProcessIdentity,
    Result, Rungs, Spawner, Support, Task, TaskId, TaskRecord, TaskSpec, TaskState, TaskStreams,
};
use tokio::time::Instant;

pub(crate) use flaw::Flaw;

pub(crate) struct Naive {
    flaw: Flaw,
    capabilities: Capabilities,
    journal: Journal,
    helper: Option<Mutex<Child>>,
    tasks: Mutex<HashMap<TaskId, Arc<State>>>,
}

pub(crate) struct State {
    leader: Pid,
    page: Option<Page>,
    exit: Mutex<Option<(Exit, Instant)>>,
    waited: Mutex<bool>,
    progress: Arc<tokio::sync::Mutex<Progress>>,
}

impl Naive {
    pub(crate) fn new(flaw: Flaw) -> Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|error| Error::io("become a subreaper", "", error.into()))?;
        let yes = || Support::guaranteed("a loop over /proc");
        let no = || Support::unsupported("it is naive");
        let wild = if flaw == Flaw::WalksOnce { yes() } else { Support::best_effort("a loop", "it is slow") };
        let claimed = |flaws: &[Flaw]| if flaws.contains(&flaw) { yes() } else { no() };
        let capabilities = Capabilities {
            end_everything: yes(),
            prove_clean: yes(),
            name_leftovers: yes(),
            name_left_behind: yes(),
            ask_first: yes(),
            end_fork_storm: wild,
            end_other_users: yes(),
            end_with_harness: claimed(&[Flaw::IgnoresHarness, Flaw::NeedsItsHelper, Flaw::NeedsJournal]),
            outlive_helpers: claimed(&[Flaw::NeedsItsHelper]),
            sweep: Support::best_effort("the mark in the environment", "who clears it is not found"),
            detach: claimed(&[Flaw::DetachedDies, Flaw::ForgetsExits]),
            exact_exit: yes(),
            stream_output: no(),
            terminal: no(),
            signal: yes(),
            limit_memory: no(),
            limit_pids: no(),
            limit_cpu: no(),
            usage: no(),
            container: Support::unsupported("it has no containers"),
            unchanged_view: yes(),
        };
        let helper = if flaw == Flaw::NeedsItsHelper {
            // It ends when the pipe does, and so with whoever started it.
            let helper = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
            Some(Mutex::new(helper.map_err(|error| Error::io("start", "a helper", error))?))
        } else {
            None
        };
        Ok(Self { flaw, capabilities, journal: Journal::locate(), helper, tasks: Mutex::default() })
    }

    fn find(&self, task: &Task) -> Result<Arc<State>> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || Error::new(ErrorKind::UnknownTask, "find the task", task.id().to_string());
        tasks.get(&task.id()).cloned().ok_or_else(unknown)
    }

    fn insert(&self, id: TaskId, leader: Pid, page: Option<Page>) {
        let (exit, waited, progress) = (Mutex::default(), Mutex::default(), Arc::default());
        let state = Arc::new(State { leader, page, exit, waited, progress });
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(id, state);
    }

    /// Whether what it cannot do without is there.
    fn helped(&self) -> Result<()> {
        let Some(helper) = &self.helper else { return Ok(()) };
        let ended = helper.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
        match ended {
            Ok(None) => Ok(()),
            ended => {
                let why = format!("the helper has ended: {ended:?}");
                Err(Error::new(ErrorKind::Unavailable, "start the task", "").because(why))
            }
        }
    }
}

impl State {
    /// How the main process ended; looks, and does not wait.
    fn poll(&self, flaw: Flaw) -> Option<(Exit, Instant)> {
        let mut exit = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
        if exit.is_none()
            && let Ok(Some((_, status))) = waitpid(Some(self.leader), WaitOptions::NOHANG)
        {
            let mixed = flaw == Flaw::MixesUpExits;
            let forgotten = flaw == Flaw::ForgetsExits;
            let ended = match (status.exit_status(), status.terminating_signal()) {
                (Some(_), _) if forgotten => Exit::Exited { code: 0 },
                (Some(code), _) => Exit::Exited { code: if mixed && code == 7 { 8 } else { code } },
                (None, Some(signal)) if mixed => Exit::Exited { code: 128 + signal },
                (None, Some(signal)) => Exit::Signalled { signal, core: false },
                (None, None) => return None,
            };
            *exit = Some((ended, Instant::now()));
        }
        exit.clone()
    }
}

#[async_trait]
impl Spawner for Naive {
    fn name(&self) -> &'static str {
        "naive"
    }

    fn kind(&self) -> &'static str {
        "naive"
    }

    fn journal(&self) -> &Journal {
        &self.journal
    }

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        let task = Task::new(record.clone());
        let account = self.journal.find(record.id)?;
        let leader = record.leader.as_ref().and_then(|leader| Pid::from_raw(leader.pid.cast_signed()));
        if let (Some(account), Some(leader)) = (account, leader)
            && self.find(&task).is_err()
        {
            self.insert(record.id, leader, Some(account.page));
        }
        self.find(&task).map(|_| task)
    }

    async fn unrecorded(&self) -> Vec<TaskRecord> {
        Vec::new()
    }

    async fn sweep(&self) -> Vec<CleanupOutcome> {
        sweep::sweep(self.flaw, &self.journal);
        Vec::new()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn check(&self) -> Result<Check> {
        Ok(Check { answered: "naive".into(), notes: Vec::new() })
    }

    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        let id = TaskId::random();
        self.helped()?;
        if let Some(cwd) = spec.cwd.as_ref().filter(|cwd| !cwd.is_dir()) {
            return Err(Error::new(ErrorKind::Io, "enter the working directory", cwd.display().to_string()));
        }
        let mut command = self.command(&spec, id)?;
        self.spoil(&mut command);
        let record =
            TaskRecord { mechanisms: vec![Mechanism::Subreaper], ..TaskRecord::of(id, "naive", &spec) };
        // Where it cannot be written, the task runs all the same.
        let page = match self.journal.open("naive", &record, serde_json::Value::Null) {
            Err(error) if self.flaw == Flaw::NeedsJournal => return Err(error),
            opened => opened.ok(),
        };
        let started = command.spawn().map_err(|error| {
            if let Some(Err(error)) = page.as_ref().map(Page::close) {
                eprintln!("naive: {error}");
            }
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::ProgramNotFound,
                _ if error.raw_os_error() == Some(libc::E2BIG) => ErrorKind::InvalidSpec,
                _ => ErrorKind::NotExecutable,
            };
            Error::new(kind, "execute", spec.argv[0].to_string_lossy()).because(error)
        })?;
        let leader = Pid::from_child(&started);
        self.insert(id, leader, page);
        let leader = ProcessIdentity::of(leader.as_raw_nonzero().get().cast_unsigned());
        Ok(Task::new(TaskRecord { leader, ..record }))
    }

    async fn spawn_task(&self, spec: &TaskSpec) -> Result<Task> {
        let honest = with_core::NaiveCore(self);
        let asks_too_much = !spec.limits.is_empty();
        let mut modest = spec.clone();
        modest.limits = spawner_core::Limits::default();
        match self.flaw {
            Flaw::IgnoresLimits => honest.spawn_task(&modest).await,
            Flaw::StartsWhatItRefuses if asks_too_much => {
                honest.spawn_task(&modest).await?;
                honest.spawn_task(spec).await
            }
            _ => honest.spawn_task(spec).await,
        }
    }

    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        let state = self.find(task)?;
        let settled = state.progress.lock().await.settled();
        Ok(match state.poll(self.flaw) {
            None => TaskState::Running,
            Some((exit, _)) if settled => TaskState::Gone(exit),
            Some((exit, _)) => TaskState::Ended(exit),
        })
    }

    async fn wait_task(&self, task: &Task) -> Result<Exit> {
        let state = self.find(task)?;
        loop {
            if let Some((exit, _)) = state.poll(self.flaw) {
                let before = std::mem::replace(
                    &mut *state.waited.lock().unwrap_or_else(PoisonError::into_inner),
                    true,
                );
                if before && self.flaw == Flaw::WaitsOnce {
                    return Err(Error::new(ErrorKind::Taken, "wait for", "the task"));
                }
                return Ok(exit);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn task_output(&self, _: &Task) -> Result<TaskStreams> {
        Ok(TaskStreams::default())
    }

    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        let state = self.find(task)?;
        if state.poll(self.flaw).is_some() {
            let gone = || Error::new(ErrorKind::UnknownTask, "signal", "the task, which has ended");
            return if self.flaw == Flaw::SignalsTheDead { Ok(()) } else { Err(gone()) };
        }
        let signal = Signal::from_named_raw(signal)
            .ok_or_else(|| Error::new(ErrorKind::InvalidSpec, "send", "an unknown signal"))?;
        // Not reaped yet, so the pid is its own.
        rustix::process::kill_process(state.leader, signal)
            .map_err(|error| Error::io("signal", "the task", error.into()))
    }

    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        let state = self.find(task)?;
        let progress = Arc::clone(&state.progress).lock_owned().await;
        Ok(Box::new(rungs::NaiveRungs::new(self.flaw, state, progress)))
    }

    fn abandoned(&self) -> Vec<CleanupOutcome> {
        Vec::new()
    }
}
