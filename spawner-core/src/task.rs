//! A started task.

use std::any::Any;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cleanup::Mechanism;
use crate::exit::Exit;
use crate::id::{ProcessIdentity, TaskId};
use crate::os_text::{self, OsText};
use crate::spec::{Lifetime, TaskSpec};

/// A started task: a name for what its backend holds.
///
/// Dropping it ends nothing; the backend keeps the task until it is destroyed, and ends it when the
/// backend itself is dropped or the harness dies.
#[derive(Clone)]
pub struct Task {
    record: TaskRecord,
    state: Option<Arc<dyn Any + Send + Sync>>,
}

impl Task {
    /// Names the task that `record` describes. For backends.
    pub fn new(record: TaskRecord) -> Self {
        Self { record, state: None }
    }

    /// Names the task that `record` describes, together with what its backend knows of it. That lives as
    /// long as the longest-lived clone of the task. For backends.
    pub fn with_state(record: TaskRecord, state: Arc<dyn Any + Send + Sync>) -> Self {
        Self { record, state: Some(state) }
    }

    /// What the backend gave to [`Task::with_state`], where it is of type `T`. For backends.
    pub fn state<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.state.as_ref()?).downcast().ok()
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

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.record).finish()
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
    /// How long it may live.
    #[serde(default)]
    pub lifetime: Lifetime,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// The host that it runs on, where its backend goes to other ones; as people write it.
    #[serde(default)]
    pub host: Option<String>,
    /// Where its output is kept, where it is; see [`Output::Log`](crate::Output::Log).
    #[serde(default)]
    pub logs: Logs,
}

impl TaskRecord {
    /// The value of [`TaskRecord::schema`].
    pub const SCHEMA: &'static str = "spawner.task/1";

    /// The record of a task that backend `backend` is about to start.
    pub fn of(id: TaskId, backend: impl Into<String>, spec: &TaskSpec) -> Self {
        Self {
            schema: Self::SCHEMA.into(),
            id,
            backend: backend.into(),
            argv: spec.argv.clone(),
            leader: None,
            mechanisms: Vec::new(),
            lifetime: spec.lifetime,
            name: spec.name.clone(),
            host: None,
            logs: Logs::default(),
        }
    }
}

/// Where a task's output is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// What it wrote to its standard output.
    pub stdout: Option<PathBuf>,
    /// What it wrote to its standard error.
    pub stderr: Option<PathBuf>,
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
