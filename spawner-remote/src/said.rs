//! What the far end says: one line for each thing, words apart by blanks.

use std::fmt;

use spawner_core::{Exit, ProcessIdentity, TaskId};

/// The first line of every channel, after whatever the account's own shell had to say: this, and a name.
pub const MARK: &str = "\u{1e}spawner ";

/// Where an agent is on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentAddress {
    /// Its pid and start time; 0 on hosts without /proc.
    pub process: (u32, u64),
    /// The pipe for what guardians say.
    pub reply: String,
    /// The pipe whose end of file is its death.
    pub life: String,
}

/// What was found out about a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The kernel's id of this boot.
    pub boot: String,
    /// The number of the account.
    pub account: String,
    /// When the host came up, in seconds since 1970 by its own clock; 0 where it does not say.
    pub came_up: i64,
    /// What the host runs.
    pub system: String,
    /// How many processors it has for this account; 0 where it does not say.
    pub processors: u32,
    /// Whether it has /proc as Linux has.
    pub proc: bool,
    /// Where setsid(1) is.
    pub setsid: Option<String>,
    /// Where env(1) is.
    pub env: Option<String>,
    /// Whether env(1) can give signals their default back (GNU, 8.31).
    pub signals: bool,
    /// Whether sleep(1) knows fractions.
    pub fractions: bool,
    /// A control group below which others can be made.
    pub group: Option<String>,
    /// What can make a process a subreaper.
    pub reaper: Option<Reaper>,
    /// Where files may be made, once that was needed.
    pub folder: Option<String>,
}

/// What makes a process a subreaper before it becomes the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaper {
    /// perl, and the number of prctl(2) there.
    Perl {
        /// Where it is.
        path: String,
        /// The number.
        call: u32,
    },
    /// python3, with ctypes.
    Python {
        /// Where it is.
        path: String,
    },
    /// The program `spawner` itself.
    Spawner {
        /// Where it is.
        path: String,
    },
}

/// A line of the agent's channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The agent is there.
    Agent(AgentAddress),
    /// Something about the host; see [`Facts::note`].
    Fact(String),
    /// All facts were said; words are taken from now on.
    Ready,
    /// The lease was renewed by the word with this number.
    Renewed(u64),
    /// There is no guardian with this pid and start time.
    Deaf(u32, u64),
    /// Where files may be made.
    Folder(Option<String>),
    /// The agent cannot work here.
    Fault(String),
    /// About a task.
    Task(TaskId, Said),
}

/// What is said about a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It was started.
    Started {
        /// Its main process; start time 0 where that could not be seen any more.
        leader: ProcessIdentity,
        /// Its guardian's pid and start time.
        guardian: (u32, u64),
        /// Where the guardian takes words.
        pipe: String,
    },
    /// Nothing was started.
    Refused(Refusal),
    /// Its main process ended.
    Exit(Exit),
    /// Something of it is still there after its main process ended.
    Left,
    /// One member that runs.
    Member(Member),
    /// How many run, all told; the answer to the `look` with this word.
    Members(usize, String),
    /// Whether a signal was sent to its main process.
    Signal(bool),
    /// Everything is gone.
    Gone {
        /// By whose word.
        by: Vec<Proof>,
        /// Whether its control group could not be removed.
        group_kept: bool,
    },
    /// Its guardian listens to another agent now.
    Adopted,
    /// Its guardian listens to the agent with this pipe from now on.
    Taken(String),
    /// What a look without a guardian came to.
    Looked(Looked),
    /// A line that the guardian wrote down for later; the end of them.
    Kept(Option<String>),
}

/// Why nothing was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such program.
    NotFound,
    /// It may not be executed.
    NotExecutable,
    /// The working directory cannot be entered.
    Cwd,
    /// No control group can be made.
    Group,
    /// No pipe and no FIFO can be made.
    Pipe,
    /// The files that would keep its output cannot be made.
    Folder,
    /// It was not told all of what to execute.
    Words,
}

/// One process of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its pid.
    pub pid: u32,
    /// Its start time.
    pub start: u64,
    /// The letter of its state.
    pub state: char,
    /// Its name, with `_` for what is not plain.
    pub name: String,
}

/// By whose word everything is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The control group is not populated: the kernel's word.
    Group,
    /// The guardian, a subreaper, has no children: the kernel's word.
    Children,
    /// Nothing was started: the word of the one who would have.
    Never,
    /// Nobody bears the mark or is of the session: can miss a member.
    Marks,
    /// Nobody is in the process group: can miss a member.
    Session,
}

impl Proof {
    /// Whether it cannot miss a member.
    pub fn is_certain(self) -> bool {
        matches!(self, Self::Group | Self::Children | Self::Never)
    }
}

/// What a look without a guardian came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// The host has been restarted since, so nothing of it is left.
    Rebooted,
    /// Its guardian lives: ask that one.
    Guarded,
    /// Something runs; it was named before.
    Alive,
    /// Nothing was found, looking for these.
    NotFound(Vec<Proof>),
    /// The host has no /proc.
    Unknown,
}

/// A line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine(pub String);

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the far end said `{}`, which makes no sense", self.0.escape_debug())
    }
}

impl std::error::Error for BadLine {}

impl Facts {
    /// Takes what [`Line::Fact`] says. What is not known is passed over.
    pub fn note(&mut self, fact: &str) {
        let (key, value) = fact.split_once(' ').unwrap_or((fact, ""));
        let text = || Some(value.to_owned());
        match key {
            "boot" => value.clone_into(&mut self.boot),
            "account" => value.clone_into(&mut self.account),
            "up" => self.came_up = value.parse().unwrap_or(0),
            "system" => value.clone_into(&mut self.system),
            "processors" => self.processors = value.parse().unwrap_or(0),
            "proc" => self.proc = true,
            "setsid" => self.setsid = text(),
            "env" => self.env = text(),
            "signals" => self.signals = true,
            "fractions" => self.fractions = true,
            "group" => self.group = text(),
            "folder" => self.folder = text(),
            "reaper" => self.reaper = Reaper::parse(value),
            _ => {}
        }
    }
}

impl Reaper {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("perl", rest) => {
                let (call, path) = rest.split_once(' ')?;
                Some(Self::Perl { path: path.to_owned(), call: call.parse().ok()? })
            }
            ("spawner", path) => Some(Self::Spawner { path: path.to_owned() }),
            ("python", path) => Some(Self::Python { path: path.to_owned() }),
            _ => None,
        }
    }
}

impl Line {
    /// Understands one line, without its newline.
    pub fn parse(line: &str) -> Result<Self, BadLine> {
        Self::understand(line).ok_or_else(|| BadLine(line.to_owned()))
    }

    fn understand(line: &str) -> Option<Self> {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split(' ').filter(|word| !word.is_empty()).collect();
        Some(match (first, words.as_slice()) {
            ("agent", &[pid, start, reply, lifeline]) => Self::Agent(AgentAddress {
                process: (pid.parse().ok()?, start.parse().ok()?),
                reply: reply.to_owned(),
                life: lifeline.to_owned(),
            }),
            ("fact", &[_, ..]) => Self::Fact(rest.to_owned()),
            ("ready", &[]) => Self::Ready,
            ("renewed", &[number]) => Self::Renewed(number.parse().ok()?),
            ("deaf", &[pid, start]) => Self::Deaf(pid.parse().ok()?, start.parse().ok()?),
            ("folder", _) => Self::Folder(Some(rest.to_owned()).filter(|folder| !folder.is_empty())),
            ("fault", _) => Self::Fault(rest.to_owned()),
            (id, [word, words @ ..]) => Self::Task(id.parse().ok()?, Said::understand(word, words)?),
            _ => return None,
        })
    }
}

impl Said {
    fn understand(word: &str, words: &[&str]) -> Option<Self> {
        Some(match (word, words) {
            ("started", &[pid, start, boot, guardian, began, pipe]) => Self::Started {
                leader: ProcessIdentity {
                    boot_id: if boot == "-" { String::new() } else { boot.to_owned() },
                    pid: pid.parse().ok()?,
                    start_time: start.parse().ok()?,
                },
                guardian: (guardian.parse().ok()?, began.parse().ok()?),
                pipe: pipe.to_owned(),
            },
            ("refused", &[why]) => Self::Refused(match why {
                "not-found" => Refusal::NotFound,
                "not-executable" => Refusal::NotExecutable,
                "cwd" => Refusal::Cwd,
                "group" => Refusal::Group,
                "pipe" => Refusal::Pipe,
                "folder" => Refusal::Folder,
                "words" => Refusal::Words,
                _ => return None,
            }),
            ("exit", words) => Self::Exit(exit(words)?),
            ("left", &[]) => Self::Left,
            ("member" | "seen", &[pid, start, state, name]) => Self::Member(Member {
                pid: pid.parse().ok()?,
                start: start.parse().ok()?,
                state: state.chars().next()?,
                name: name.to_owned(),
            }),
            ("members", &[count, word]) => Self::Members(count.parse().ok()?, word.to_owned()),
            ("signal", &["sent"]) => Self::Signal(true),
            ("signal", &["missed"]) => Self::Signal(false),
            ("gone", &["by", ref by @ ..]) => Self::Gone {
                group_kept: by.contains(&"group-kept"),
                by: proofs(by.iter().filter(|word| **word != "group-kept"))?,
            },
            ("adopted", _) => Self::Adopted,
            ("taken", &[by]) => Self::Taken(by.to_owned()),
            ("looked", words) => Self::Looked(match *words {
                ["gone", "boot"] => Looked::Rebooted,
                ["guarded"] => Looked::Guarded,
                ["alive"] => Looked::Alive,
                ["unknown"] => Looked::Unknown,
                ["gone", ref by @ ..] => Looked::NotFound(proofs(by.iter())?),
                _ => return None,
            }),
            ("kept", words) => Self::Kept(Some(words.join(" ")).filter(|line| !line.is_empty())),
            _ => return None,
        })
    }
}

/// How a task ended, in the guardian's words.
pub fn exit(words: &[&str]) -> Option<Exit> {
    Some(match *words {
        ["exited", code] => Exit::Exited { code: code.parse().ok()? },
        ["signalled", signal] => Exit::Signalled { signal: signal.parse().ok()?, core: false },
        ["signalled", signal, "core"] => Exit::Signalled { signal: signal.parse().ok()?, core: true },
        ["lost"] => Exit::Lost { why: "the process that waited for it on the far end was killed".into() },
        ["orphaned"] => {
            Exit::Lost { why: "the far end ended it, since it heard no more from its harness".into() }
        }
        ["unclear", status] => {
            Exit::Lost { why: format!("the far end's shell says {status}, a status or a signal") }
        }
        _ => return None,
    })
}

fn proofs<'a>(words: impl Iterator<Item = &'a &'a str>) -> Option<Vec<Proof>> {
    words
        .map(|word| match *word {
            "group" => Some(Proof::Group),
            "children" => Some(Proof::Children),
            "never" => Some(Proof::Never),
            "marks" => Some(Proof::Marks),
            "session" => Some(Proof::Session),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_and_others_refused() {
        let id = "deadbeefdeadbeef";
        let task = |said: &str| match Line::parse(&format!("{id} {said}")) {
            Ok(Line::Task(_, said)) => said,
            other => panic!("{other:?}"),
        };
        assert_eq!(task("exit exited 137"), Said::Exit(Exit::Exited { code: 137 }));
        assert_eq!(task("exit signalled 11 core"), Said::Exit(Exit::Signalled { signal: 11, core: true }));
        assert_eq!(
            task("gone by group children"),
            Said::Gone { by: vec![Proof::Group, Proof::Children], group_kept: false }
        );
        assert_eq!(task("looked gone boot"), Said::Looked(Looked::Rebooted));
        assert_eq!(task("kept"), Said::Kept(None));
        for bad in
            ["", "x", "deadbeefdeadbeef", "deadbeefdeadbeef exit", "deadbeefdeadbeef gone", "renewed x"]
        {
            assert!(Line::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn facts_are_noted() {
        let mut facts = Facts::default();
        for fact in ["boot b", "proc", "reaper perl 157 /usr/bin/perl", "news of later versions"] {
            facts.note(fact);
        }
        let reaper = Some(Reaper::Perl { path: "/usr/bin/perl".into(), call: 157 });
        assert_eq!(facts, Facts { boot: "b".into(), proc: true, reaper, ..Facts::default() });
    }
}
