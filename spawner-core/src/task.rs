//! A started task.

use std::ffi::OsString;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cleanup::Mechanism;
use crate::exit::Exit;
use crate::id::{ProcessIdentity, TaskId};
use crate::os_text::{self, OsText};

/// A started task: a name for what its backend holds.
///
/// Dropping it ends nothing; the backend keeps the task until it is destroyed, and ends it when the
/// backend itself is dropped or the harness dies.
#[derive(Debug, Clone)]
pub struct Task {
    record: TaskRecord,
}

impl Task {
    /// Names the task that `record` describes. For backends.
    pub fn new(record: TaskRecord) -> Self {
        Self { record }
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.record.id
    }

    /// What is needed to name the task to another process.
    pub fn record(&self) -> &TaskRecord {
        &self.record
    }
}

/// What is needed to name a task to another process; serialisable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRecord {
    /// The schema of this document; [`TaskRecord::SCHEMA`].
    pub schema: String,
    /// The task's id.
    pub id: TaskId,
    /// The name of the backend that started it.
    pub backend: String,
    /// What it runs.
    #[serde(with = "os_text::list")]
    #[schemars(with = "Vec<OsText>")]
    pub argv: Vec<OsString>,
    /// Its main process, where it has one on this host.
    pub leader: Option<ProcessIdentity>,
    /// What its members are known by.
    pub mechanisms: Vec<Mechanism>,
}

impl TaskRecord {
    /// The value of [`TaskRecord::schema`].
    pub const SCHEMA: &'static str = "spawner.task/1";
}

/// Whether a task is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// Its main process runs.
    Running,
    /// Its main process ended; members of it may still be there.
    Ended(Exit),
    /// It was destroyed, and everything was proved gone.
    Gone(Exit),
}
