//! What harness, supervisor and keeper tell each other.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spawner_core::{AskScope, Fate, Limits, Mechanism, ProcessIdentity, TaskId};

use crate::config::Choice;
use crate::linux::cgroup::Limiters;

/// Which keeper it is among all that its supervisor ever forks. A pid would be another's as soon as it is reaped, and harness
/// and supervisor do not learn of that at the same time.
pub(crate) type Index = u64;

/// What the harness tells the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToSupervisor {
    /// The first message.
    SetUp(SetUp),
    /// Fork a keeper, and send its socket.
    Fork,
    /// This keeper is about to get a detached task: do not wait for it when the harness is dead.
    Detach(Index),
    /// End this keeper, which no longer answers; what it kept falls to the supervisor.
    EndKeeper(Index),
    /// Say what is left of what dead keepers kept; this one is taken for one of them.
    Orphans(Index),
    /// Leave now, though keepers that have nothing left to do may still be about to: the harness reaps them.
    Leave,
}

/// How the supervisor and its keepers are to work.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SetUp {
    pub(crate) mechanism: Choice,
    /// The control group to make for this harness.
    pub(crate) group: Option<PathBuf>,
    /// Whether the harness has one task only. Then everything is removed as soon as that is gone.
    pub(crate) single: bool,
    /// The folder of the journal.
    pub(crate) journal: Option<PathBuf>,
    /// The kernel's id of this boot, which nobody need read again.
    pub(crate) boot_id: String,
}

/// What the supervisor tells the harness.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromSupervisor {
    /// A keeper with this pid; its socket goes with the message.
    Keeper(i32, Index),
    /// No keeper could be forked.
    NoKeeper(i32),
    /// What is left of what the dead keepers kept; repeated, unasked, when nothing is left any more.
    Orphans(Orphans),
}

/// What is left of what dead keepers kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Orphans {
    /// The keepers that have died, and whose tasks' members were therefore ended.
    pub(crate) keepers: Vec<Index>,
    /// What is still there of all of them.
    pub(crate) alive: Vec<Orphan>,
    /// Whether the look cannot have missed anything.
    pub(crate) certain: bool,
}

/// A process that a dead keeper kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Orphan {
    pub(crate) member: Member,
    pub(crate) owner: Owner,
}

/// Whose an orphan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// What this keeper kept.
    Keeper(Index),
    /// Of this task, it says itself.
    Task(TaskId),
    /// Of one of several.
    Unknown,
}

/// What the harness tells a keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Repeated in the reply.
    pub(crate) number: u32,
    pub(crate) order: Order,
}

/// What a keeper can be told to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Always the first, and the only one without a reply.
    SetUp(SetUp),
    /// Start a task; its three standard streams go with the message.
    Start(Box<Start>),
    Ask(AskScope),
    Signal(i32),
    Force,
    Members,
    Look,
    Release,
}

/// A task to start, ready to be executed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    #[serde(with = "crate::linux::wire::byte_strings")]
    pub(crate) argv: Vec<Vec<u8>>,
    /// `NAME=value`.
    #[serde(with = "crate::linux::wire::byte_strings")]
    pub(crate) env: Vec<Vec<u8>>,
    /// Where a program without a slash in its name is looked for, first to last.
    pub(crate) path: Vec<u8>,
    pub(crate) cwd: Option<Vec<u8>>,
    /// The standard stream that is the task's controlling terminal.
    pub(crate) terminal: Option<u8>,
    /// What is limited, and through what.
    pub(crate) limits: Option<(Limits, Limiters)>,
    /// The task's file in the journal.
    pub(crate) page: Option<PathBuf>,
    /// Whether it may outlive the harness.
    pub(crate) detached: bool,
}

/// What a keeper tells the harness.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    Reply(u32, Reply),
    /// The main process ended.
    Ended(Ended),
    /// It was observed that no member is left; what was made for the task has not been given back.
    Empty,
    /// It was observed that no member is left, and all that was made for the task has been given back: the
    /// keeper is ready for another. With the end of the main process, where that has not been told.
    Gone(Option<Ended>, Box<Sight>),
}

/// What a keeper answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Started(Started),
    /// The task could not be started, and nothing of it is there.
    NotStarted(Obstacle),
    Done,
    Failed(String),
    Members(Vec<Member>, usize),
    Look(Sight),
    /// What was removed besides the processes: what it was, and why it could not be.
    Released(Vec<(PathBuf, Option<String>)>),
}

/// A started task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) pid: i32,
    pub(crate) start_time: Option<u64>,
    pub(crate) mechanisms: Vec<Mechanism>,
    /// The init of its pid namespace.
    pub(crate) init: Option<i32>,
}

/// The step of starting a task that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    Group,
    Limits,
    Fork,
    Join,
    Streams,
    Session,
    Namespace,
    Folder,
    Execute,
}

/// What kept a task from being started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Obstacle {
    pub(crate) step: Step,
    pub(crate) errno: i32,
    pub(crate) detail: String,
}

/// How a main process ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// As wait(2) gives it.
    pub(crate) status: i32,
    pub(crate) out_of_memory: bool,
}

/// A process of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) pid: i32,
    pub(crate) start_time: Option<u64>,
    pub(crate) name: Option<String>,
    pub(crate) fate: Fate,
    pub(crate) reason: Option<String>,
    /// Whether the keeper was not allowed to signal it.
    pub(crate) denied: bool,
}

/// What a keeper saw when it looked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sight {
    pub(crate) members: Vec<Member>,
    pub(crate) total: usize,
    /// Whether the look cannot have missed anything.
    pub(crate) certain: bool,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    pub(crate) peak_memory: Option<u64>,
    /// Whether the record was closed, or says that all is gone.
    pub(crate) recorded: bool,
}

/// What a record tells of a task that is about to start, besides what everybody understands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Whereabouts {
    /// Who will keep it.
    pub(crate) keeper: ProcessIdentity,
    /// Who forked that one.
    pub(crate) supervisor: Option<ProcessIdentity>,
    /// The control group of its harness.
    pub(crate) group: Option<PathBuf>,
}

/// What a record tells of a started task, besides what everybody understands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Traces {
    /// The init of its pid namespace.
    pub(crate) init: Option<ProcessIdentity>,
}
