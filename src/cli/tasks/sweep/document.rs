//! What a sweep did, as a document with a versioned schema.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Serialize;
use spawner::journal::{Account, Harness};
use spawner::report::CleanupPart;
use spawner::{CleanupOutcome, TaskRecord, Verdict};

use crate::cli::tasks::Damaged;
use crate::cli::tasks::records::called;

/// What `spawner sweep --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Document {
    /// The schema of this document; `spawner.sweep/1`.
    schema: &'static str,
    /// What became of each task.
    tasks: Vec<Swept>,
    /// Tasks that nobody could do anything about.
    unresolved: Vec<Unresolved>,
    /// Records that cannot be read.
    pub(super) damaged: Vec<Damaged>,
}

/// What became of one task.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Swept {
    /// The task's id.
    id: String,
    /// The name of the backend that ended it.
    backend: String,
    /// What names it, as it was on record; `null` where it was on none, and found by its marks.
    record: Option<TaskRecord>,
    /// The dead harness that started it, where that is known.
    harness: Option<Harness>,
    /// Whether nothing of it is left to resolve.
    resolved: bool,
    /// What became of everything that it made.
    cleanup: CleanupPart,
}

/// A task that is still on record.
#[derive(Debug, Serialize, JsonSchema)]
struct Unresolved {
    /// What names it.
    record: TaskRecord,
    /// Its id and name, for people.
    #[serde(skip)]
    called: String,
    /// Why nothing could be done.
    why: String,
}

impl Swept {
    pub(super) fn new(outcome: &CleanupOutcome, before: Option<&Account>) -> Self {
        // Whoever looked with all that there is took it off the record, whether or not that is a proof.
        let looked = match before {
            Some(account) => !account.page.path().exists(),
            None => outcome.leftovers().next().is_none(),
        };
        let resolved = match outcome.verdict() {
            Verdict::Clean => true,
            Verdict::Unverified => looked,
            Verdict::Leaked => false,
        };
        Self {
            id: outcome.task().to_string(),
            backend: outcome.backend().to_owned(),
            record: before.map(Account::record),
            harness: before.map(|account| account.opening.harness.clone()),
            resolved,
            cleanup: CleanupPart::new(outcome),
        }
    }
}

impl Document {
    const SCHEMA: &'static str = "spawner.sweep/1";

    pub(super) fn new(tasks: Vec<Swept>, damaged: Vec<Damaged>) -> Self {
        Self { schema: Self::SCHEMA, tasks, unresolved: Vec::new(), damaged }
    }

    /// Adds a task that is on record as before.
    pub(super) fn unresolved(&mut self, account: &Account, why: String) {
        self.unresolved.push(Unresolved { record: account.record(), called: called(account), why });
    }

    /// Whether nothing is left to resolve.
    pub(super) fn is_resolved(&self) -> bool {
        self.unresolved.is_empty() && self.tasks.iter().all(|task| task.resolved)
    }

    /// A line for each task that nobody could do anything about.
    pub(super) fn complaints(&self) -> impl Iterator<Item = String> {
        self.unresolved.iter().map(|task| format!("{}: not resolved: {}", task.called, task.why))
    }

    /// What was done, in a line.
    pub(super) fn summary(&self) -> String {
        let resolved: Vec<_> = self.tasks.iter().filter(|task| task.resolved).collect();
        let left = self.tasks.len() - resolved.len() + self.unresolved.len();
        let harnesses: HashSet<_> =
            resolved.iter().filter_map(|task| Some(&task.harness.as_ref()?.process)).collect();
        let of = match harnesses.len() {
            0 => String::new(),
            count => format!(" of {}", counted(count, "dead harness", "dead harnesses")),
        };
        let done = format!("resolved {}{of}", counted(resolved.len(), "task", "tasks"));
        match (resolved.len(), left) {
            (0, 0) => "nothing to do".into(),
            (_, 0) => done,
            (0, _) => format!("{} could not be resolved", counted(left, "task", "tasks")),
            (_, _) => format!("{done}; {} could not be", counted(left, "task", "tasks")),
        }
    }
}

fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
