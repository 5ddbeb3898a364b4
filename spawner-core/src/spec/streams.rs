//! Where the standard streams of a task lead.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a task's standard input comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// The harness's own.
    #[default]
    Inherit,
    /// Nothing: end of file at once.
    Null,
    /// A file, opened for reading by the harness.
    File(PathBuf),
    /// A pipe into which the embedder writes: [`TaskStreams::stdin`](crate::TaskStreams::stdin).
    Stream,
    /// A pseudo-terminal of the task's own, its controlling terminal.
    Terminal,
}

/// Where one of a task's output streams goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// The harness's own.
    #[default]
    Inherit,
    /// Nowhere.
    Null,
    /// A file, opened by the harness: created, and emptied unless `append`.
    File {
        /// Which file.
        path: PathBuf,
        /// Whether what it holds is kept.
        append: bool,
    },
    /// A pipe from which the embedder reads. What is not read stays in the pipe and stops the writer, so
    /// memory is bounded by the kernel's pipe size.
    Stream,
    /// The task's pseudo-terminal.
    Terminal,
    /// A file beside the task's record, named by [`TaskRecord::logs`](crate::TaskRecord::logs) and kept until
    /// the task is destroyed. For detached tasks.
    Log,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}
