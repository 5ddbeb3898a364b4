//! The report of one task's life, as a document with a versioned schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cleanup::{CleanupOutcome, Evidence, Mechanism, Resource, ResourceKind, Verdict};
use crate::exit::Exit;
use crate::run::Finished;

/// What `spawner run --report-format json` writes: the document `spawner.report/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The schema of this document; [`Report::SCHEMA`].
    pub schema: String,
    /// What ran.
    pub task: TaskPart,
    /// How its main process ended.
    pub exit: ExitPart,
    /// What became of everything that it made.
    pub cleanup: CleanupPart,
}

/// What ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskPart {
    /// The task's id.
    pub id: String,
    /// The name of the backend.
    pub backend: String,
    /// The host that it ran on, where its backend goes to other ones; else there is no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The program and its arguments; bytes that are not UTF-8 are shown as U+FFFD.
    pub argv: Vec<String>,
}

/// How the main process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExitPart {
    /// In which way.
    pub kind: ExitKind,
    /// The exit status, where it exited.
    pub code: Option<i32>,
    /// The signal's number, where one ended it.
    pub signal: Option<i32>,
}

/// The ways in which a main process can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExitKind {
    /// It returned a status.
    Exited,
    /// A signal ended it.
    Signalled,
    /// The kernel ended it: out of memory.
    Oom,
    /// Its timeout passed.
    TimedOut,
    /// Nobody can say.
    Lost,
}

/// What became of everything that the task made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanupPart {
    /// The judgement.
    pub verdict: Verdict,
    /// What was used to know and kill the members.
    pub mechanisms: Vec<Mechanism>,
    /// Whether force was needed.
    pub escalated: bool,
    /// How long destroying took, in milliseconds.
    pub elapsed_ms: f64,
    /// What was still running after the linger: at most [`Evidence::LISTED`] of them.
    pub left_behind: Vec<LeftBehind>,
    /// How many those were, listed or not.
    pub left_behind_total: usize,
    /// What became of each resource: every leftover, and the first [`Evidence::LISTED`] others.
    pub resources: Vec<Resource>,
    /// How many those were, listed or not.
    pub resources_total: usize,
}

/// Something that was still running after the linger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftBehind {
    /// What kind of thing it is.
    pub kind: ResourceKind,
    /// Its id among its kind.
    pub id: String,
    /// When it came to be (RFC 3339), where known.
    pub started: Option<String>,
    /// Its name, where it has one.
    pub name: Option<String>,
}

impl Report {
    /// The value of [`Report::schema`].
    pub const SCHEMA: &'static str = "spawner.report/1";

    /// The report on a finished task.
    pub fn new(finished: &Finished) -> Self {
        let record = finished.task.record();
        Self {
            schema: Self::SCHEMA.into(),
            task: TaskPart {
                id: record.id.to_string(),
                backend: record.backend.clone(),
                host: record.host.clone(),
                argv: record.argv.iter().map(|argument| argument.to_string_lossy().into_owned()).collect(),
            },
            exit: ExitPart::new(&finished.exit),
            cleanup: CleanupPart::new(&finished.cleanup),
        }
    }

    /// The JSON Schema of this document.
    pub fn json_schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }
}

impl ExitPart {
    fn new(exit: &Exit) -> Self {
        let (kind, code, signal) = match exit {
            Exit::Exited { code } => (ExitKind::Exited, Some(*code), None),
            Exit::Signalled { signal, .. } => (ExitKind::Signalled, None, Some(*signal)),
            Exit::OutOfMemory => (ExitKind::Oom, None, None),
            Exit::TimedOut => (ExitKind::TimedOut, None, None),
            Exit::Lost { .. } => (ExitKind::Lost, None, None),
        };
        Self { kind, code, signal }
    }
}

impl CleanupPart {
    /// The part about this outcome.
    pub fn new(outcome: &CleanupOutcome) -> Self {
        let leftovers = outcome.resources().iter().filter(|resource| resource.fate.is_leftover());
        let others = outcome.resources().iter().filter(|resource| !resource.fate.is_leftover());
        Self {
            verdict: outcome.verdict(),
            mechanisms: outcome.mechanisms().to_vec(),
            escalated: outcome.escalated(),
            elapsed_ms: (outcome.elapsed().as_secs_f64() * 10_000.0).round() / 10.0,
            left_behind: outcome.left_behind().iter().take(Evidence::LISTED).map(LeftBehind::new).collect(),
            left_behind_total: outcome.left_behind_total(),
            resources: leftovers.chain(others.take(Evidence::LISTED)).cloned().collect(),
            resources_total: outcome.resources_total(),
        }
    }
}

impl LeftBehind {
    fn new(resource: &Resource) -> Self {
        let Resource { kind, id, started, name, .. } = resource.clone();
        Self { kind, id, started, name }
    }
}
