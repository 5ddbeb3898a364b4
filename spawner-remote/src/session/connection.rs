//! One connection to one host: its agent, and the sessions of tasks.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spawner_core::{Error, ErrorKind, Result, TaskId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::keeper::Keeper;
use super::places::{Place, Places};
use super::{Address, Ear, fault, line, socket, until_mark};
use crate::command::AgentCommand;
use crate::lock::lock;
use crate::said::{AgentAddress, Facts, Line};

/// How long the agent may take to say what it found, once it is there.
const PROBE: Duration = Duration::from_secs(20);

/// How long the agent may take for an answer, beyond what the way there takes, before others are sent another way.
const DOUBT: Duration = Duration::from_millis(700);

/// Between two questions whether it is there.
const QUIET: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// The longest way that is reckoned with.
const FAR: Duration = Duration::from_secs(2);

/// How long the far end may take to close a connection that is over.
pub(super) const PARTING: Duration = Duration::from_secs(2);

/// The words of the shell on the far end.
pub(crate) const SHELL: &[&str] = &["/bin/sh"];

pub(super) type Lines = BufReader<ChildStdout>;

#[derive(Debug)]
pub(crate) struct Connection {
    address: Arc<Address>,
    pub(crate) agent: AgentAddress,
    pub(crate) facts: Facts,
    socket: PathBuf,
    /// What is to be said to the agent; closed where the connection is to end.
    words: Mutex<Option<mpsc::UnboundedSender<String>>>,
    ears: Arc<Mutex<HashMap<TaskId, Ear>>>,
    /// Why it is over, once it is; then the sender is gone too, when nothing of it runs here any more.
    over: watch::Receiver<Option<String>>,
    /// When the agent was heard last.
    heard: watch::Receiver<Instant>,
    /// When it was asked last what it did not answer in time.
    doubted: Mutex<Option<Instant>>,
    /// How long an answer took when the connection was made.
    pub(crate) round: Duration,
    places: Arc<Places>,
    timing: (Duration, Duration),
    /// Where its processes are waited for.
    runtime: Handle,
}

/// The session of one task: its three streams.
pub(crate) struct Session {
    pub(crate) child: Child,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: BufReader<ChildStdout>,
    pub(crate) stderr: BufReader<ChildStderr>,
    pub(crate) place: Place,
}

fn ssh() -> Command {
    let mut command = Command::new("ssh");
    // A group of its own: what a terminal sends to ours is not for it.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).process_group(0);
    command
}

fn spawn(mut command: Command) -> Result<Child> {
    command.spawn().map_err(|source| {
        let missing = source.kind() == std::io::ErrorKind::NotFound;
        let error = Error::io("start the program", "ssh", source);
        if missing { error.hint("install the OpenSSH client") } else { error }
    })
}

fn silent(address: &Address, what: &'static str) -> Error {
    Error::new(ErrorKind::TimedOut, "connect to", address.destination.clone()).because(what)
}

impl Connection {
    pub(super) async fn open(
        address: &Arc<Address>,
        (patience, lease): (Duration, Duration),
        token: &str,
    ) -> Result<Self> {
        address.exists()?;
        let nonce = format!("n{}", TaskId::random());
        let socket = socket::path(&format!("{token}-{nonce}.ssh")).map_err(|source| {
            Error::io("make a folder for the connection to", &*address.destination, source)
        })?;
        let mut command = ssh();
        command.args(address.args(patience, lease)).arg("-M").arg("-S").arg(&socket);
        command.arg("--").arg(&address.destination);
        command.arg(AgentCommand { shell: SHELL, nonce: &nonce, lease }.text());
        let mut child = spawn(command)?;
        let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(silent(address, "the ssh program has no streams"));
        };
        let complaints = tokio::spawn(async move {
            let mut said = Vec::new();
            let mut piece = [0; 1024];
            while let Ok(read @ 1..) = stderr.read(&mut piece).await {
                said.extend_from_slice(&piece[..read.min(16_384usize.saturating_sub(said.len()))]);
            }
            String::from_utf8_lossy(&said).into_owned()
        });
        let mut lines = BufReader::new(stdout);
        let by = Instant::now() + patience + Duration::from_secs(1);
        let mut noise = Vec::new();
        match timeout_at(by, until_mark(&mut lines, &nonce, &mut noise)).await {
            Err(_) => return Err(fault::mute(address, &String::from_utf8_lossy(&noise))),
            Ok(Err(_)) => {
                let said = timeout(PARTING, complaints).await;
                let said = said.ok().and_then(std::result::Result::ok).unwrap_or_default();
                return Err(fault::explain(address, &said, &String::from_utf8_lossy(&noise)));
            }
            Ok(Ok(())) => {}
        }
        let probed = timeout(PROBE, introduce(&mut lines, &mut stdin)).await;
        let (agent, facts, round) =
            probed.map_err(|_| silent(address, "its agent does not say what it found"))?.map_err(|why| {
                Error::new(ErrorKind::Unavailable, "work on", &*address.destination).because(why)
            })?;
        let (words, orders) = mpsc::unbounded_channel();
        let (told, over) = watch::channel(None);
        let (ear, heard) = watch::channel(Instant::now());
        let ears = Arc::<Mutex<HashMap<TaskId, Ear>>>::default();
        let keeper = Keeper { child, ears: Arc::clone(&ears), lease, complaints, socket: socket.clone() };
        tokio::spawn(keeper.keep(lines, stdin, orders, told, ear));
        Ok(Self {
            address: Arc::clone(address),
            agent,
            facts,
            socket,
            words: Mutex::new(Some(words)),
            ears,
            over,
            heard,
            doubted: Mutex::default(),
            round,
            places: Arc::default(),
            timing: (patience, lease),
            runtime: Handle::current(),
        })
    }

    pub(crate) fn is_up(&self) -> bool {
        self.over.borrow().is_none() && self.over.has_changed().is_ok()
    }

    /// Whether it was asked and has not been heard since, in the time that an answer takes. It is not given up for that:
    /// its tasks have their lease, and it may be heard again.
    pub(crate) fn is_doubted(&self) -> bool {
        let doubted = *lock(&self.doubted);
        doubted.is_some_and(|asked| *self.heard.borrow() <= asked)
    }

    /// Asks again and again whether the agent is there; returns when it does not answer.
    pub(crate) async fn silence(&self) {
        let (mut heard, mut pause) = (self.heard.clone(), QUIET.0);
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(QUIET.1);
            let asked = Instant::now();
            if self.tell("renew 0".to_owned()).is_err() {
                self.ended().await;
                return;
            }
            if timeout(DOUBT + 4 * self.round, heard.wait_for(|at| *at > asked)).await.is_err() {
                *lock(&self.doubted) = Some(asked);
                return;
            }
        }
    }

    /// It does not answer.
    pub(crate) fn silent(&self) -> Error {
        Error::new(ErrorKind::Lost, "use the connection to", &*self.address.destination)
            .because("it does not answer in time")
    }

    /// Says words to the agent. That they were heard is known by an answer only.
    pub(crate) fn tell(&self, words: String) -> Result<()> {
        let sender = lock(&self.words);
        let told = sender.as_ref().is_some_and(|sender| sender.send(words).is_ok());
        if told && self.is_up() { Ok(()) } else { Err(self.lost()) }
    }

    /// What is said of this task goes here.
    pub(crate) fn listen(&self, id: TaskId, ear: Ear) {
        lock(&self.ears).insert(id, ear);
    }

    pub(crate) fn forget(&self, id: TaskId) {
        lock(&self.ears).remove(&id);
    }

    /// Waits for the end of the connection; why it ended.
    pub(crate) async fn ended(&self) -> String {
        let mut over = self.over.clone();
        match over.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "it was closed".to_owned(),
        }
    }

    pub(crate) fn lost(&self) -> Error {
        let why = self.over.borrow().clone().unwrap_or_else(|| "it was closed".to_owned());
        Error::new(ErrorKind::Lost, "use the connection to", &*self.address.destination).because(why)
    }

    /// A session for this command; waits where the server takes no more of them.
    pub(crate) async fn session(&self, text: &str) -> Result<Session> {
        let place = self.places.take().await;
        let mut command = ssh();
        if self.places.is_alone() {
            command.args(self.address.args(self.timing.0, self.timing.1)).args(["-S", "none"]);
            // By which it is known as one of ours; it is not executed.
            command.arg("-o").arg(format!("LocalCommand={}", self.socket.display()));
        } else {
            // It must not make a connection of its own where this one is lost.
            command.args(["-F", "none", "-T", "-e", "none", "-x", "-o", "BatchMode=yes"]);
            command.args(["-o", "ProxyCommand=false", "-S"]).arg(&self.socket);
        }
        command.arg("--").arg(&self.address.destination).arg(OsStr::new(text));
        let mut child = {
            let _there = self.runtime.enter();
            spawn(command)?
        };
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => {
                let (stdout, stderr) = (BufReader::new(stdout), BufReader::new(stderr));
                Ok(Session { child, stdin, stdout, stderr, place })
            }
            _ => Err(silent(&self.address, "the ssh program has no streams")),
        }
    }

    /// Ends the connection. The far end then ends what there is.
    pub(crate) fn close(&self) {
        lock(&self.words).take();
    }

    /// Waits until nothing of it runs here any more.
    pub(crate) async fn closed(&self) {
        let mut over = self.over.clone();
        while over.changed().await.is_ok() {}
    }
}

#[cfg(test)]
impl Connection {
    /// One behind which there is nobody but who has the receiver. It is up as long as the sender is there.
    pub(crate) fn fake(
        address: &Arc<Address>,
        runtime: Handle,
    ) -> (Self, mpsc::UnboundedReceiver<String>, watch::Sender<Option<String>>) {
        let ((words, orders), (told, over)) = (mpsc::unbounded_channel(), watch::channel(None));
        let agent = AgentAddress { process: (1, 1), reply: "/r".into(), life: "/l".into() };
        let reaper = Some(crate::said::Reaper::Python { path: "/p".into() });
        let fake = Self {
            address: Arc::clone(address),
            agent,
            facts: Facts { reaper, proc: true, ..Facts::default() },
            socket: PathBuf::new(),
            words: Mutex::new(Some(words)),
            ears: Arc::default(),
            over,
            heard: watch::channel(Instant::now()).1,
            doubted: Mutex::default(),
            round: Duration::ZERO,
            places: Arc::default(),
            timing: (Duration::ZERO, Duration::ZERO),
            runtime,
        };
        (fake, orders, told)
    }

    /// The far end says this.
    pub(crate) fn hear(&self, id: TaskId, said: crate::said::Said) {
        if let Some(ear) = lock(&self.ears).get(&id) {
            ear.send_modify(|heard| heard.note(said));
        }
    }
}

/// What the agent says first, and how long it took for an answer.
async fn introduce(
    lines: &mut Lines,
    stdin: &mut ChildStdin,
) -> Result<(AgentAddress, Facts, Duration), String> {
    let (mut agent, mut facts, mut asked) = (None, Facts::default(), Instant::now());
    loop {
        let said = line::next(lines).await.map_err(|error| error.to_string())?;
        let said = said.ok_or("its shell ended before it was ready")?;
        match Line::parse(&said) {
            Ok(Line::Agent(address)) => agent = Some(address),
            Ok(Line::Fact(fact)) => facts.note(&fact),
            // What ends while nobody listens is written down there.
            Ok(Line::Ready) => {
                asked = Instant::now();
                stdin.write_all(b"folder\n").await.map_err(|error| error.to_string())?;
            }
            Ok(Line::Folder(folder)) => {
                facts.folder = folder;
                let agent = agent.ok_or("its agent has no address")?;
                return Ok((agent, facts, asked.elapsed().min(FAR)));
            }
            Ok(Line::Fault(why)) => {
                return Err(format!("it has no `{why}`: neither a pipe nor a folder can be made there"));
            }
            Ok(_) => {}
            Err(bad) => return Err(bad.to_string()),
        }
    }
}
