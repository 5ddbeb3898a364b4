//! A far end to talk to: an agent and guardians, through plain pipes or a real sshd.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use spawner_core::{Exit, ProcessIdentity, TaskId};
use spawner_remote::command::{AgentCommand, GuardianCommand, Started};
use spawner_remote::said::{AgentAddress, Facts, Line, Looked, Member, Proof, Said};

use super::order::Order;
use super::pipes::{piped, read_all, skip_to_mark};
use super::{PATIENCE, Way, end, exit_said};

pub struct Far {
    way: Way,
    shell: &'static [&'static str],
    pub agent: Child,
    words: Option<ChildStdin>,
    lines: Receiver<Line>,
    heard: Vec<(TaskId, Said)>,
    pub address: AgentAddress,
    pub facts: Facts,
}

pub struct Running {
    pub id: TaskId,
    pub channel: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<JoinHandle<Vec<u8>>>,
    pub stderr: Option<JoinHandle<Vec<u8>>>,
    pub leader: ProcessIdentity,
    pub guardian: (u32, u64),
    pub pipe: String,
    pub grouped: bool,
}

impl Far {
    pub fn open(way: Way, shell: &'static [&'static str]) -> Self {
        Self::with_lease(way, shell, Duration::from_mins(1))
    }

    pub fn with_lease(way: Way, shell: &'static [&'static str], lease: Duration) -> Self {
        let nonce = format!("n{}", TaskId::random());
        let text = AgentCommand { shell, nonce: &nonce, lease }.text();
        let mut agent = piped(way(&text));
        let words = agent.stdin.take();
        let mut stdout = BufReader::new(agent.stdout.take().unwrap());
        let mut stderr = agent.stderr.take().unwrap();
        std::thread::spawn(move || {
            let mut noise = String::new();
            stderr.read_to_string(&mut noise).unwrap_or(0);
            if !noise.is_empty() && std::env::var_os("SPAWNER_TEST_NOISE").is_some() {
                eprintln!("agent: {noise}");
            }
        });
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            skip_to_mark(&mut stdout, &nonce);
            for line in stdout.lines() {
                let Ok(line) = line else { return };
                let line = Line::parse(&line).unwrap();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let address = AgentAddress { process: (0, 0), reply: String::new(), life: String::new() };
        let mut far =
            Self { way, shell, agent, words, lines, heard: Vec::new(), address, facts: Facts::default() };
        loop {
            match far.line("the agent") {
                Line::Agent(address) => far.address = address,
                Line::Fact(fact) => far.facts.note(&fact),
                Line::Ready => return far,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next line.
    pub fn line(&mut self, awaited: &str) -> Line {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("{awaited}: {error}, with {:?}", self.shell),
        }
    }

    /// Hands words to the agent.
    pub fn tell(&mut self, words: &str) {
        let pipe = self.words.as_mut().expect("the agent was not left");
        writeln!(pipe, "{words}").unwrap();
    }

    /// Hands words to a guardian.
    pub fn to(&mut self, task: &Running, words: &str) {
        let (pid, start) = task.guardian;
        self.tell(&format!("to {pid} {start} {} {words}", task.pipe));
    }

    /// What is said about a task, once `wanted` takes it.
    pub fn hear<T>(&mut self, id: TaskId, wanted: impl Fn(&Said) -> Option<T>) -> T {
        self.hear_within(id, PATIENCE, wanted).unwrap_or_else(|| {
            panic!("nothing of the kind was said, with {:?}; but {:?}", self.shell, self.heard)
        })
    }

    pub fn hear_within<T>(
        &mut self,
        id: TaskId,
        patience: Duration,
        wanted: impl Fn(&Said) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut next = 0;
        loop {
            while next < self.heard.len() {
                if self.heard[next].0 == id
                    && let Some(found) = wanted(&self.heard[next].1)
                {
                    self.heard.remove(next);
                    return Some(found);
                }
                next += 1;
            }
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Line::Task(id, said)) => self.heard.push((id, said)),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    pub fn exit(&mut self, id: TaskId) -> Exit {
        self.hear(id, exit_said)
    }

    pub fn gone(&mut self, id: TaskId) -> Vec<Proof> {
        self.hear(id, |said| match said {
            Said::Gone { by, group_kept } => {
                assert!(!group_kept);
                Some(by.clone())
            }
            _ => None,
        })
    }

    pub fn members(&mut self, task: &Running, word: &str) -> Vec<Member> {
        self.to(task, &format!("look {word}"));
        let id = task.id;
        self.hear(id, |said| matches!(said, Said::Members(_, of) if of == word).then_some(()));
        // They were said before.
        let mut members = Vec::new();
        self.heard.retain(|(of, said)| match said {
            Said::Member(member) if *of == id => {
                members.push(member.clone());
                false
            }
            _ => true,
        });
        members
    }

    /// What starts a task.
    fn command(&self, id: TaskId, order: &Order) -> Started {
        GuardianCommand {
            shell: self.shell,
            id,
            agent: &self.address,
            facts: &self.facts,
            argv: &order.argv,
            env: &order.env,
            cwd: order.cwd.as_deref(),
            grace: order.grace,
            deadline: order.deadline,
            keep: order.keep.as_deref(),
            mechanisms: order.mechanisms,
        }
        .start()
    }

    /// Has a task started, whether or not anybody hears of it: its session, with its input open.
    pub fn start_unheard(&self, order: &Order) -> Child {
        let command = self.command(TaskId::random(), order);
        let mut channel = piped((self.way)(&command.text));
        // It may have ended by now.
        if let Err(error) = channel.stdin.as_mut().unwrap().write_all(&command.words) {
            println!("nobody reads the words: {error}");
        }
        channel
    }

    /// Starts a task, or says why it was refused.
    pub fn start(&mut self, order: &Order) -> Result<Running, Said> {
        let id = TaskId::random();
        let command = self.command(id, order);
        let mut channel = piped((self.way)(&command.text));
        let mut stdin = channel.stdin.take();
        let mut stdout = BufReader::new(channel.stdout.take().unwrap());
        let mut stderr = BufReader::new(channel.stderr.take().unwrap());
        skip_to_mark(&mut stdout, &id.to_string());
        if let Err(error) = stdin.as_mut().unwrap().write_all(&command.words) {
            println!("it was refused before its words were read: {error}");
        }
        let kept = order.keep.is_some();
        let stderr = std::thread::spawn(move || {
            if !kept {
                skip_to_mark(&mut stderr, &id.to_string());
            }
            read_all(stderr)
        });
        let stdout = std::thread::spawn(move || read_all(stdout));
        let started = self.hear(id, |said| match said {
            Said::Started { leader, guardian, pipe } => Some(Ok((leader.clone(), *guardian, pipe.clone()))),
            Said::Refused(_) => Some(Err(said.clone())),
            _ => None,
        });
        let (leader, guardian, pipe) = match started {
            Ok(started) => started,
            Err(why) => {
                channel.wait().unwrap();
                return Err(why);
            }
        };
        let (stdout, stderr) = (Some(stdout), Some(stderr));
        Ok(Running {
            id,
            channel,
            stdin,
            stdout,
            stderr,
            leader,
            guardian,
            pipe,
            grouped: order.mechanisms.group,
        })
    }

    /// Runs a task to its end, with `input`: how it ended, what it wrote, and by whose word it is gone.
    pub fn run(&mut self, order: &Order, input: &[u8]) -> (Exit, Vec<u8>, Vec<u8>, Vec<Proof>) {
        let mut task = self.start(order).unwrap_or_else(|why| panic!("{why:?}"));
        let mut stdin = task.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap_or(()));
        let exit = self.exit(task.id);
        let by = self.gone(task.id);
        let (stdout, stderr) = (task.stdout.take().unwrap().join(), task.stderr.take().unwrap().join());
        writer.join().unwrap();
        task.channel.wait().unwrap();
        (exit, stdout.unwrap(), stderr.unwrap(), by)
    }

    /// Has the agent look for a task, or `end` it, without its guardian.
    pub fn ask_agent(&mut self, word: &str, task: &Running) -> (Looked, Vec<Member>) {
        let (leader, (guardian, began)) = (&task.leader, task.guardian);
        let group = self.facts.group.as_ref().filter(|_| task.grouped);
        let group = group.map_or("-".to_owned(), |base| format!("{base}/spawner-{}", task.id));
        let boot = &leader.boot_id;
        self.tell(&format!(
            "{word} {} {boot} {} {} {guardian} {began} {group}",
            task.id, leader.pid, leader.start_time
        ));
        let looked = self
            .hear(task.id, |said| if let Said::Looked(looked) = said { Some(looked.clone()) } else { None });
        let mut seen = Vec::new();
        self.heard.retain(|(of, said)| match said {
            Said::Member(member) if *of == task.id => {
                seen.push(member.clone());
                false
            }
            _ => true,
        });
        (looked, seen)
    }

    /// Ends the agent as a harness does that has no more to do.
    pub fn leave(&mut self) {
        self.words = None;
        self.agent.wait().unwrap();
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        if self.words.take().is_some() {
            let deadline = Instant::now() + PATIENCE;
            while Instant::now() < deadline && matches!(self.agent.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
            end(&mut self.agent);
        }
    }
}
