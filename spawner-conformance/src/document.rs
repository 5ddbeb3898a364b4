//! What a run of the suite says, as a document with a versioned schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The results of one run against one backend: the document `spawner.conformance/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// The schema of this document; [`Results::SCHEMA`].
    pub schema: String,
    /// The name of the backend.
    pub backend: String,
    /// Whether the suite ran as root.
    pub root: bool,
    /// What else a reader should know: that there was no outer jail, for instance.
    pub notes: Vec<String>,
    /// How each case went, in the order in which they ran.
    pub cases: Vec<CaseResult>,
}

/// How one case went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseResult {
    /// The name of the case.
    pub name: String,
    /// The names of the capabilities whose proof it is part of.
    pub proves: Vec<String>,
    /// In which round it ran, from 1.
    pub round: u32,
    /// How it went.
    #[serde(flatten)]
    pub status: Status,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// What it asserts holds.
    Passed,
    /// What it asserts does not hold.
    Failed {
        /// What was seen instead.
        why: String,
    },
    /// It was not run.
    Skipped {
        /// What is missing.
        why: String,
    },
}

impl Results {
    /// The value of [`Results::schema`].
    pub const SCHEMA: &'static str = "spawner.conformance/1";

    /// The cases that passed.
    pub fn passed(&self) -> impl Iterator<Item = &CaseResult> {
        self.cases.iter().filter(|case| case.status == Status::Passed)
    }

    /// The cases that failed, with what was seen.
    pub fn failed(&self) -> impl Iterator<Item = (&CaseResult, &str)> {
        self.cases.iter().filter_map(|case| match &case.status {
            Status::Failed { why } => Some((case, why.as_str())),
            Status::Passed | Status::Skipped { .. } => None,
        })
    }

    /// The cases that were skipped, with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&CaseResult, &str)> {
        self.cases.iter().filter_map(|case| match &case.status {
            Status::Skipped { why } => Some((case, why.as_str())),
            Status::Passed | Status::Failed { .. } => None,
        })
    }

    /// Whether something passed and nothing failed.
    pub fn is_success(&self) -> bool {
        self.failed().next().is_none() && self.passed().next().is_some()
    }

    /// The JSON Schema of this document.
    pub fn json_schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }
}
