//! A small real backend of containers, and its careless variants.
//!
//! It drives the engine's own program, looks again and again, and promises little. Each [`Flaw`] is one that
//! programs which start containers have had.

mod program;
mod rungs;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::ladder::Progress;
use spawner_core::spawner::Check;
use spawner_core::{
    Admitted, Capabilities, CleanupOutcome, Error, ErrorKind, Exit, Journal, Mechanism, Output, Result,
    Rungs, Spawner, Support, Task, TaskId, TaskRecord, TaskSpec, TaskState, TaskStreams,
};
use tokio::time::Instant;

use program::{podman, told};

const IMAGE: &str = "localhost/busybox:latest";

/// What a variant gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// The container is left as exited.
    RemovesNothing,
    NamesTheGone,
    /// What could be created and not started stays.
    KeepsFailedCreations,
    /// Nobody unpauses a paused container before it is asked.
    LeavesPaused,
    /// It calls clean what still runs, once its own process has ended.
    TrustsItsClient,
    /// A container that is removed behind its back is waited for.
    WaitsForEver,
    /// 137 is an exit code like any other.
    CountsExitCodes,
    TrustsNames,
    IgnoresWishes,
    AlwaysWithInit,
    /// Arguments become text, whatever that costs.
    LosesBytes,
}

pub(crate) struct Careless {
    flaw: Flaw,
    capabilities: Capabilities,
    journal: Journal,
}

pub(crate) struct State {
    flaw: Flaw,
    id: String,
    name: String,
    stdout: Output,
    exit: Mutex<Option<(Exit, Instant)>>,
    progress: Arc<tokio::sync::Mutex<Progress>>,
}

impl Careless {
    pub(crate) fn new(flaw: Flaw) -> Self {
        let yes = || Support::guaranteed("the engine's own program");
        let no = || Support::unsupported("it is careless");
        let capabilities = Capabilities {
            end_everything: yes(),
            prove_clean: yes(),
            name_leftovers: no(),
            name_left_behind: yes(),
            ask_first: yes(),
            end_fork_storm: no(),
            end_other_users: no(),
            end_with_harness: no(),
            outlive_helpers: no(),
            sweep: no(),
            detach: no(),
            exact_exit: yes(),
            stream_output: no(),
            terminal: no(),
            signal: no(),
            limit_memory: no(),
            limit_pids: no(),
            limit_cpu: no(),
            usage: no(),
            container: yes(),
            unchanged_view: no(),
        };
        Self { flaw, capabilities, journal: Journal::locate() }
    }

    /// The arguments that create the container of a task.
    fn words(&self, id: TaskId, spec: &TaskSpec) -> Result<Vec<String>> {
        let text = |bytes: &std::ffi::OsString| match bytes.to_str() {
            Some(text) => Ok(text.to_owned()),
            None if self.flaw == Flaw::LosesBytes => Ok(bytes.to_string_lossy().into_owned()),
            None => Err(Error::new(ErrorKind::InvalidSpec, "start the task", "").because("it is no text")),
        };
        let wish = &spec.container;
        let heeds = self.flaw != Flaw::IgnoresWishes;
        let mut words: Vec<String> = vec!["create".into(), format!("--name=careless-{id}")];
        words.push(format!("--network={}", wish.network.as_deref().filter(|_| heeds).unwrap_or("host")));
        words.push(format!("--env=SPAWNER_TASK_ID={id}"));
        words.extend(wish.labels.iter().map(|(name, value)| format!("--label={name}={value}")));
        words.extend(wish.volumes.iter().map(|volume| format!("--volume={volume}")));
        words.extend(wish.user.iter().filter(|_| heeds).map(|user| format!("--user={user}")));
        words.extend(spec.cwd.iter().map(|cwd| format!("--workdir={}", cwd.display())));
        if heeds && wish.init == Some(true) || self.flaw == Flaw::AlwaysWithInit {
            words.push("--init".into());
        }
        for (name, value) in &spec.env.changes {
            words.push(match value {
                Some(value) => format!("--env={}={}", text(name)?, text(value)?),
                None => format!("--unsetenv={}", text(name)?),
            });
        }
        let image = wish.image.clone().filter(|_| heeds);
        words.extend(["--pull=never".into(), image.unwrap_or_else(|| IMAGE.to_owned())]);
        for argument in &spec.argv {
            words.push(text(argument)?);
        }
        Ok(words)
    }
}

/// What a complaint of the engine about a start means.
fn meaning(why: &str) -> ErrorKind {
    if why.contains("executable file") || why.contains("no such file") {
        ErrorKind::ProgramNotFound
    } else if why.contains("permission denied") || why.contains("is a directory") {
        ErrorKind::NotExecutable
    } else {
        ErrorKind::Io
    }
}

impl State {
    pub(crate) fn of(task: &Task) -> Result<Arc<Self>> {
        task.state().ok_or_else(|| Error::new(ErrorKind::UnknownTask, "find", task.id().to_string()))
    }

    /// How the main process ended; looks, and does not wait.
    fn poll(&self) -> Option<(Exit, Instant)> {
        let mut exit = self.exit.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if exit.is_none() {
            let form = "{{.State.Status}} {{.State.ExitCode}}";
            *exit = match podman(&["inspect", "--format", form, &self.id]) {
                // Before it is removed by force it is killed, and the engine may say so for a moment.
                Ok(line) => self.exit_of(&line).filter(|exit| !self.waits_for_ever(exit)),
                Err(_) if self.flaw == Flaw::WaitsForEver => None,
                Err(why) => Some(Exit::Lost { why }),
            }
            .map(|exit| (exit, Instant::now()));
            if exit.is_some() {
                self.hand_over();
            }
        }
        exit.clone()
    }

    fn waits_for_ever(&self, exit: &Exit) -> bool {
        self.flaw == Flaw::WaitsForEver && matches!(exit, Exit::Signalled { signal: libc::SIGKILL, .. })
    }

    fn exit_of(&self, line: &str) -> Option<Exit> {
        let (status, code) = line.split_once(' ')?;
        let code: i32 = code.parse().ok()?;
        let killed =
            [libc::SIGKILL, libc::SIGSEGV].contains(&(code - 128)) && self.flaw != Flaw::CountsExitCodes;
        let ended = matches!(status, "exited" | "stopped");
        ended.then_some(if killed {
            Exit::Signalled { signal: code - 128, core: false }
        } else {
            Exit::Exited { code }
        })
    }

    fn hand_over(&self) {
        if let Output::File { path, .. } = &self.stdout {
            let written = told(&["logs", &self.id])
                .and_then(|all| std::fs::write(path, all).map_err(|e| e.to_string()));
            written.unwrap_or_else(|why| eprintln!("careless: {why}"));
        }
    }
}

#[async_trait]
impl Spawner for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }

    fn kind(&self) -> &'static str {
        "careless"
    }

    fn journal(&self) -> &Journal {
        &self.journal
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn check(&self) -> Result<Check> {
        let version = podman(&["version", "--format", "{{.Server.Version}}"]);
        let version =
            version.map_err(|why| Error::new(ErrorKind::Unavailable, "ask", "podman").because(why))?;
        Ok(Check { answered: version.into(), notes: Vec::new() })
    }

    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        let task = TaskId::random();
        let words = self.words(task, &spec)?;
        let failed = |why: String| Error::new(meaning(&why), "start the task", "").because(why);
        let id = podman(&words.iter().map(String::as_str).collect::<Vec<_>>()).map_err(failed)?;
        if let Err(why) = podman(&["start", &id]) {
            if self.flaw != Flaw::KeepsFailedCreations {
                podman(&["rm", "--force", "--volumes", &id]).map_err(failed)?;
            }
            return Err(failed(why));
        }
        let record = TaskRecord {
            mechanisms: vec![Mechanism::ContainerEngine],
            ..TaskRecord::of(task, "careless", &spec)
        };
        let state = State {
            flaw: self.flaw,
            id,
            name: format!("careless-{task}"),
            stdout: spec.stdout.clone(),
            exit: Mutex::default(),
            progress: Arc::default(),
        };
        Ok(Task::with_state(record, Arc::new(state)))
    }

    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        let state = State::of(task)?;
        let settled = state.progress.lock().await.settled();
        Ok(match state.poll() {
            None => TaskState::Running,
            Some((exit, _)) if settled => TaskState::Gone(exit),
            Some((exit, _)) => TaskState::Ended(exit),
        })
    }

    async fn wait_task(&self, task: &Task) -> Result<Exit> {
        let state = State::of(task)?;
        loop {
            if let Some((exit, _)) = state.poll() {
                return Ok(exit);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn task_output(&self, _: &Task) -> Result<TaskStreams> {
        Ok(TaskStreams::default())
    }

    async fn signal_task(&self, _: &Task, _: i32) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported(spawner_core::Capability::Signal), "signal", "the task"))
    }

    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        let state = State::of(task)?;
        let progress = Arc::clone(&state.progress).lock_owned().await;
        Ok(Box::new(rungs::CarelessRungs { state, progress }))
    }

    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        Err(Error::new(ErrorKind::UnknownTask, "recover", record.id.to_string()))
    }

    async fn unrecorded(&self) -> Vec<TaskRecord> {
        Vec::new()
    }

    fn abandoned(&self) -> Vec<CleanupOutcome> {
        Vec::new()
    }
}
