//! What is known after a task was destroyed.

mod resource;

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Usage;
use crate::id::TaskId;
pub use crate::message::Leftover;
use crate::verdict::{Strength, verdict};
pub use resource::{Fate, Resource, ResourceKind};

/// What a backend used to know and kill a task's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// A control group of its own, version 2 (Linux).
    CgroupV2,
    /// A process to which every orphan of the task falls (Linux, `PR_SET_CHILD_SUBREAPER`).
    Subreaper,
    /// A pid namespace of its own (Linux).
    PidNamespace,
    /// Its process group and session, and a walk over the process tree. Can be escaped.
    ProcessGroup,
    /// A Job Object (Windows).
    JobObject,
    /// A container engine.
    ContainerEngine,
    /// A control group on the remote host.
    RemoteCgroup,
    /// A subreaper on the remote host.
    RemoteSubreaper,
    /// Marks in the environment and the session of processes on the remote host. Can be escaped.
    RemoteMarks,
    /// The session that ssh holds.
    RemoteSession,
    /// No mechanism of the operating system: the scriptable fake backend.
    Fake,
}

impl Mechanism {
    /// The name in reports, configuration and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CgroupV2 => "cgroup-v2",
            Self::Subreaper => "subreaper",
            Self::PidNamespace => "pid-namespace",
            Self::ProcessGroup => "process-group",
            Self::JobObject => "job-object",
            Self::ContainerEngine => "container-engine",
            Self::RemoteCgroup => "remote-cgroup",
            Self::RemoteSubreaper => "remote-subreaper",
            Self::RemoteMarks => "remote-marks",
            Self::RemoteSession => "remote-session",
            Self::Fake => "fake",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The judgement on a task's clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything the task made was observed to be gone, by a mechanism that cannot miss a member.
    Clean,
    /// Something was seen alive after the deadline.
    Leaked,
    /// It could not be looked at, or only by a mechanism that can miss members.
    Unverified,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "clean",
            Self::Leaked => "leaked",
            Self::Unverified => "unverified",
        })
    }
}

/// What a backend observed when it looked. It contains no verdict: that is computed from it.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What was used to know and kill the members.
    pub mechanisms: Vec<Mechanism>,
    /// How far that can be trusted.
    pub strength: Strength,
    /// Every leftover, and of the others at least the first [`Evidence::LISTED`].
    pub resources: Vec<Resource>,
    /// How many resources there were, listed or not.
    pub total: usize,
    /// What the task used, where known.
    pub usage: Option<Usage>,
}

impl Evidence {
    /// How many resources that are *not* leftovers a report lists. Leftovers are never cut.
    pub const LISTED: usize = 100;

    /// Adds resources that were found besides.
    pub(crate) fn add(&mut self, resources: impl IntoIterator<Item = Resource>) {
        let before = self.resources.len();
        self.resources.extend(resources);
        self.total += self.resources.len() - before;
    }

    /// Evidence of a look that failed: the task as a whole is not verified.
    pub fn blind(mechanisms: Vec<Mechanism>, resource: Resource) -> Self {
        Self { mechanisms, strength: Strength::Blind, resources: vec![resource], total: 1, usage: None }
    }
}

/// What [`destroy_task`](crate::Spawner::destroy_task) returns: a verdict, what became of each
/// resource, and how the task was ended.
///
/// There is no way to make one with a verdict of one's own: it follows from the evidence.
#[derive(Debug, Clone)]
#[must_use = "an outcome may say that something was left behind"]
pub struct CleanupOutcome {
    backend: String,
    task: TaskId,
    verdict: Verdict,
    evidence: Evidence,
    left_behind: Vec<Resource>,
    left_behind_total: usize,
    escalated: bool,
    elapsed: Duration,
}

impl CleanupOutcome {
    /// Judges what `backend` observed. `left_behind` is what was still running after the linger,
    /// `left_behind_total` their number where the list was cut.
    pub(crate) fn judge(
        (backend, task): (&str, TaskId),
        evidence: Evidence,
        (left_behind, left_behind_total): (Vec<Resource>, usize),
        escalated: bool,
        elapsed: Duration,
    ) -> Self {
        Self {
            backend: backend.to_owned(),
            task,
            verdict: verdict(evidence.strength, evidence.resources.iter().map(|resource| resource.fate)),
            evidence,
            left_behind,
            left_behind_total,
            escalated,
            elapsed,
        }
    }

    /// The judgement.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether everything was proved gone.
    pub fn is_clean(&self) -> bool {
        self.verdict == Verdict::Clean
    }

    /// The name of the backend that destroyed the task.
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// The task that it is about.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// What was used to know and kill the members.
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.evidence.mechanisms
    }

    /// What the task was made of; every leftover, and at least the first [`Evidence::LISTED`] others.
    pub fn resources(&self) -> &[Resource] {
        &self.evidence.resources
    }

    /// How many resources there were, listed or not.
    pub fn resources_total(&self) -> usize {
        self.evidence.total
    }

    /// What was still running after the main process had ended by itself and the linger was over.
    /// It was destroyed like all else; its fate is among [`CleanupOutcome::resources`].
    pub fn left_behind(&self) -> &[Resource] {
        &self.left_behind
    }

    /// How many were left behind, listed or not.
    pub fn left_behind_total(&self) -> usize {
        self.left_behind_total
    }

    /// Whether force was needed.
    pub fn escalated(&self) -> bool {
        self.escalated
    }

    /// How long destroying took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// What the task used, where known.
    pub fn usage(&self) -> Option<Usage> {
        self.evidence.usage
    }

    /// What is not proved gone; each displays as an accountability message.
    pub fn leftovers(&self) -> impl Iterator<Item = Leftover<'_>> {
        self.evidence
            .resources
            .iter()
            .filter(|resource| resource.fate.is_leftover())
            .map(|resource| Leftover::new(&self.backend, resource))
    }
}
