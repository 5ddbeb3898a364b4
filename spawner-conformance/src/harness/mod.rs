//! Harnesses that die: this program, started again to embed the backend and come to a bad end.

mod serve;
mod words;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use spawner_core::{TaskId, TaskRecord, TaskSpec, Teardown};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::case::{Checked, NotPassed, require};
use crate::scene::Scene;
use crate::state;
use crate::witness::Herd;

pub use serve::serve_if_asked;
pub(crate) use words::Death;
use words::{Answer, Order};

/// The first argument of a program that is to be a harness for the suite.
pub(crate) const ARGUMENT: &str = "spawner-conformance-harness";

/// The environment variable with the scene's token, by which a harness's helpers are found.
const MARK: &str = "SPAWNER_CONFORMANCE_SCENE";

/// How long it may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(20);

/// A harness that does what the case tells it. Dropped, it is killed.
pub(crate) struct Harness {
    child: Child,
    answers: UnboundedReceiver<String>,
    mark: String,
}

impl Harness {
    /// Starts a harness of the scene's backend, which leads a process group.
    pub(crate) fn start(scene: &Scene) -> Checked<Self> {
        Self::start_by(scene, |command| command.process_group(0))
    }

    /// Starts one in this process's own group, so that it can come to lead a session.
    pub(crate) fn start_plain(scene: &Scene) -> Checked<Self> {
        Self::start_by(scene, |command| command)
    }

    /// Starts one with another state folder.
    pub(crate) fn start_with_state(scene: &Scene, folder: &Path) -> Checked<Self> {
        Self::start_by(scene, |command| command.process_group(0).env(state::VARIABLE, folder))
    }

    fn start_by(scene: &Scene, how: impl Fn(&mut Command) -> &mut Command) -> Checked<Self> {
        let token = scene.witness.token();
        let mut command = Command::new(scene.program());
        command.arg(ARGUMENT).arg(scene.enrolment.name()).env(MARK, token);
        let mut child = how(command.stdin(Stdio::piped()).stdout(Stdio::piped())).spawn()?;
        let Some(output) = child.stdout.take() else {
            return Err("its output is gone".to_owned().into());
        };
        let (tell, answers) = unbounded_channel();
        std::thread::spawn(move || {
            // Ends with the harness, or with whoever listens.
            BufReader::new(output).lines().map_while(Result::ok).all(|line| tell.send(line).is_ok())
        });
        Ok(Self { child, answers, mark: format!("{MARK}={token}") })
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

    /// Has it lead a session.
    pub(crate) async fn lead_session(&mut self) -> Checked {
        self.done(Order::LeadSession).await
    }

    async fn done(&mut self, order: Order) -> Checked {
        let answer = self.ask(&order).await?;
        require!(matches!(answer, Answer::Done), "a harness did not do as it was told: {answer:?}");
        Ok(())
    }

    /// Has it die by its own hand, and reaps it. Gives the signal that ended it.
    pub(crate) async fn die(&mut self, how: Death) -> Checked<Option<i32>> {
        self.tell(&Order::Die(how))?;
        let give_up = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.signal());
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

    /// Kills the process group that it leads, and reaps it.
    pub(crate) fn kill_group(&mut self) -> Checked {
        kill_process_group(self.raw_pid()?, Signal::KILL).map_err(std::io::Error::from)?;
        self.reap()
    }

    /// Reaps it, who is dying.
    pub(crate) fn reap(&mut self) -> Checked {
        self.child.wait()?;
        Ok(())
    }

    /// Stops it, or lets it go on. It is not reaped, so its pid is its own.
    pub(crate) fn signal(&self, signal: Signal) -> Checked {
        kill_process(self.raw_pid()?, signal).map_err(std::io::Error::from)?;
        Ok(())
    }

    fn raw_pid(&self) -> Checked<Pid> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        pid.ok_or_else(|| NotPassed::Failed("its pid is none".into()))
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

    /// Everything in the session that it leads.
    pub(crate) fn session(&self) -> Herd {
        Herd::session(self.pid())
    }

    /// What was started by it, by helpers of it or by tasks of it, wherever that is by now, and is alive.
    pub(crate) fn remains(&self) -> Vec<u32> {
        let mut remains = crate::witness::marked(&self.mark);
        remains.retain(|&pid| pid != self.pid());
        remains
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("cannot end the harness {}: {error}", self.child.id());
        }
    }
}
