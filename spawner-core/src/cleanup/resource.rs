//! One thing of a task, and what became of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mechanism;
use crate::table;
use crate::task::Task;

/// What became of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It ended by itself.
    Exited,
    /// It ended after it was asked to, within the grace.
    Terminated,
    /// It was forced to end.
    Killed,
    /// It was removed (what is not a process).
    Removed,
    /// It was gone before anybody touched it.
    AlreadyGone,
    /// It was seen alive after the deadline.
    Survived,
    /// Nobody could look, or the look could miss it.
    Unverified,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 7] = [
        Self::Exited,
        Self::Terminated,
        Self::Killed,
        Self::Removed,
        Self::AlreadyGone,
        Self::Survived,
        Self::Unverified,
    ];

    /// Whether a resource with this fate is a leftover: not proved gone.
    pub const fn is_leftover(self) -> bool {
        matches!(self, Self::Survived | Self::Unverified)
    }

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Terminated => "terminated",
            Self::Killed => "killed",
            Self::Removed => "removed",
            Self::AlreadyGone => "already-gone",
            Self::Survived => "survived",
            Self::Unverified => "unverified",
        }
    }
}

/// What kind of thing a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceKind {
    /// A process.
    Process,
    /// A control group.
    Cgroup,
    /// A folder that was made for the task.
    Folder,
    /// A file that was made for the task: its record, its kept output.
    File,
    /// A container.
    Container,
    /// A volume of a container.
    Volume,
    /// A command that somebody runs in a container besides its own (`podman exec`).
    ExecSession,
    /// What an engine keeps on disk for a container.
    Storage,
    /// A task as a whole, where nothing finer is known.
    Task,
}

impl ResourceKind {
    /// The word for it in messages and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Cgroup => "cgroup",
            Self::Folder => "folder",
            Self::File => "file",
            Self::Container => "container",
            Self::Volume => "volume",
            Self::ExecSession => "exec-session",
            Self::Storage => "storage",
            Self::Task => "task",
        }
    }
}

/// Something that a task made or was made of, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// What kind of thing it is.
    pub kind: ResourceKind,
    /// Its id among its kind: a pid, a container's full id, a path.
    pub id: String,
    /// When it came to be (RFC 3339), where that is known. A pid is an identity only with it.
    pub started: Option<String>,
    /// Its name, for people: the command name of a process.
    pub name: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// Why it is a leftover; `None` where it is none.
    pub reason: Option<String>,
    /// The command that a person can type to be rid of it; `None` where it is no leftover.
    pub remedy: Option<String>,
}

impl Resource {
    /// A task of which nobody can say what is left.
    pub(crate) fn unreachable(task: &Task, why: &str) -> Self {
        use Mechanism::{CgroupV2, JobObject, PidNamespace, ProcessGroup, Subreaper};
        let id = task.id();
        let local = |mechanism: &Mechanism| {
            matches!(mechanism, CgroupV2 | JobObject | PidNamespace | ProcessGroup | Subreaper)
        };
        let is_local = task.record().mechanisms.iter().any(local);
        let marked = is_local.then(|| table::remedy(id)).flatten();
        Self {
            kind: ResourceKind::Task,
            id: id.to_string(),
            started: None,
            name: None,
            fate: Fate::Unverified,
            reason: Some(why.to_owned()),
            // Elsewhere, how it is reached is known to its backend alone.
            remedy: Some(marked.unwrap_or_else(|| format!("spawner destroy {id}"))),
        }
    }
}
