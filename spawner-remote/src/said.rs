//! What the far end says: one line for each thing, words apart by blanks.

mod parse;

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
    /// No process can be made.
    Process,
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
    /// No process can be made to look with.
    Unable,
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
