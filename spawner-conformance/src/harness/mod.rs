//! Harnesses that die: this program, started again to embed the backend and come to a bad end.

mod serve;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
mod words;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use spawner_core::{TaskId, TaskRecord, TaskSpec, Teardown};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::case::{Checked, NotPassed, require};
use crate::scene::Scene;
use crate::state;
use crate::witness::{Blow, Herd};

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

use platform::Mark;
pub(crate) use platform::has_died_so;
pub use serve::serve_if_asked;
pub(crate) use words::Death;
use words::{Answer, Order};

/// The first argument of a program that is to be a harness for the suite.
pub(crate) const ARGUMENT: &str = "spawner-conformance-harness";

/// How long it may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(20);

/// A harness that does what the case tells it. Dropped, it is killed.
pub(crate) struct Harness {
    child: Child,
    answers: UnboundedReceiver<String>,
    mark: Mark,
}

impl Harness {
    /// Starts a harness of the scene's backend, which leads a process group.
    pub(crate) fn start(scene: &Scene) -> Checked<Self> {
        Self::start_by(scene, platform::in_front)
    }

    /// Starts one with another state folder.
    pub(crate) fn start_with_state(scene: &Scene, folder: &Path) -> Checked<Self> {
        Self::start_by(scene, |command| platform::in_front(command).env(state::VARIABLE, folder))
    }

    fn start_by(scene: &Scene, how: impl Fn(&mut Command) -> &mut Command) -> Checked<Self> {
        let mut command = Command::new(scene.program());
        command.arg(ARGUMENT).arg(scene.enrolment.name());
        let mark = Mark::of(scene.witness.token())?;
        let mut child = mark.start(how(command.stdin(Stdio::piped()).stdout(Stdio::piped())))?;
        let Some(output) = child.stdout.take() else {
            return Err("its output is gone".to_owned().into());
        };
        let (tell, answers) = unbounded_channel();
        std::thread::spawn(move || {
            // Ends with the harness, or with whoever listens.
            BufReader::new(output).lines().map_while(Result::ok).all(|line| tell.send(line).is_ok())
        });
        Ok(Self { child, answers, mark })
    }

    async fn ask(&mut self, order: &Order) -> Checked<Answer> {
        self.tell(order)?;
        match tokio::time::timeout(PATIENCE, self.answers.recv()).await {
            Ok(Some(line)) => Ok(serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?),
            Ok(None) => Err(NotPassed::Failed("a harness ended; it says why above".into())),
            Err(_) => Err(NotPassed::Failed(format!("a harness said nothing within {PATIENCE:?}"))),
        }
    }

    fn tell(&mut self, order: &Order) -> Checked {
        let mut line = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        line.push(b'\n');
        let Some(input) = &mut self.child.stdin else { return Err("its input is gone".to_owned().into()) };
        input.write_all(&line)?;
        Ok(())
    }

    /// Has it start a task.
    pub(crate) async fn spawn(&mut self, spec: TaskSpec) -> Checked<TaskRecord> {
        self.started(Order::Start(Box::new(spec))).await
    }

    /// Has it start a task in a thread that ends.
    pub(crate) async fn spawn_on_a_thread(&mut self, spec: TaskSpec) -> Checked<TaskRecord> {
        self.started(Order::StartOnThread(Box::new(spec))).await
    }

    async fn started(&mut self, order: Order) -> Checked<TaskRecord> {
        match self.ask(&order).await? {
            Answer::Started(record) => Ok(*record),
            answer => Err(NotPassed::Failed(format!("a harness cannot start a task: {answer:?}"))),
        }
    }

    /// Has it destroy a task; gives whether the outcome is clean, and what it says.
    pub(crate) async fn destroy(&mut self, id: TaskId, teardown: &Teardown) -> Checked<(bool, String)> {
        match self.ask(&Order::Destroy(id, teardown.clone())).await? {
            Answer::Destroyed { clean, told } => Ok((clean, told)),
            answer => Err(NotPassed::Failed(format!("a harness cannot destroy a task: {answer:?}"))),
        }
    }

    /// Has it begin to destroy a task.
    pub(crate) async fn begin_to_destroy(&mut self, id: TaskId, teardown: &Teardown) -> Checked {
        self.done(Order::BeginDestroy(id, teardown.clone())).await
    }

    /// Has it start and destroy such tasks until it dies.
    pub(crate) async fn churn(&mut self, spec: TaskSpec) -> Checked {
        self.done(Order::Churn(Box::new(spec))).await
    }

    async fn done(&mut self, order: Order) -> Checked {
        let answer = self.ask(&order).await?;
        require!(matches!(answer, Answer::Done), "a harness did not do as it was told: {answer:?}");
        Ok(())
    }

    /// Has it die by its own hand, and reaps it. Gives how it ended.
    pub(crate) async fn die(&mut self, how: Death) -> Checked<ExitStatus> {
        self.tell(&Order::Die(how))?;
        let give_up = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            require!(std::time::Instant::now() < give_up, "a harness did not die within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Kills it, and reaps it.
    pub(crate) fn kill(&mut self) -> Checked {
        self.child.kill()?;
        self.reap()
    }

    /// Reaps it, who is dying.
    pub(crate) fn reap(&mut self) -> Checked {
        self.child.wait()?;
        Ok(())
    }

    /// Stops it, or lets it go on. It is not reaped, so its pid is its own.
    pub(crate) fn suffer(&self, blow: Blow) -> Checked {
        Ok(platform::strike(&self.child, blow)?)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its children that are none of a task's: what helps the backend in it.
    pub(crate) fn helpers(&self) -> Herd {
        Herd::children(self.pid())
    }

    /// The same, and their children, and so on.
    pub(crate) fn all_helpers(&self) -> Herd {
        Herd::descendants(self.pid())
    }

    /// What was started by it, by helpers of it or by tasks of it, wherever that is by now, and is alive.
    pub(crate) fn remains(&self) -> std::io::Result<Vec<u32>> {
        let mut remains = self.mark.bearers()?.pids();
        remains.retain(|&pid| pid != self.pid());
        Ok(remains)
    }
}

/// Ends what helpers of a scene's harnesses are there, so that a failed case leaves nothing running. Those that
/// are on their way out are let go.
pub(crate) async fn end_remains(scene: &Scene) -> std::io::Result<()> {
    let mark = Mark::of(scene.witness.token())?;
    let patience = std::time::Instant::now() + Duration::from_secs(1);
    loop {
        let left = mark.bearers()?;
        if left.is_empty() {
            return Ok(());
        }
        if std::time::Instant::now() > patience {
            return left.suffer(Blow::Kill);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("cannot end the harness {}: {error}", self.child.id());
        }
    }
}
