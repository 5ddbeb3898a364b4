//! What the suite and its harnesses say to one another: a line of JSON each way.

use serde::{Deserialize, Serialize};
use spawner_core::{TaskId, TaskRecord, TaskSpec, Teardown};

/// What a harness is told to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// To lead a session of its own from here on.
    LeadSession,
    /// To start a task.
    Start(Box<TaskSpec>),
    /// To start a task in a thread with a runtime of its own, which ends then.
    StartOnThread(Box<TaskSpec>),
    /// To start and destroy such tasks, several at a time, again and again. Answered once the first round is
    /// over.
    Churn(Box<TaskSpec>),
    /// To destroy a task.
    Destroy(TaskId, Teardown),
    /// To begin to destroy a task; answered at once.
    BeginDestroy(TaskId, Teardown),
    /// To die. Not answered.
    Die(Death),
}

/// How a harness dies by its own hand.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Death {
    /// Its main thread panics.
    Panic,
    /// abort(3).
    Abort,
    /// exit(3), with everything as it is.
    Exit,
    /// Its `main` returns, and drops what it has.
    Return,
    /// It takes memory until the kernel kills it.
    Eat,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It did as it was told.
    Done,
    /// The task runs.
    Started(Box<TaskRecord>),
    /// The task was destroyed.
    Destroyed {
        /// Whether the outcome is clean.
        clean: bool,
        /// What it says.
        told: String,
    },
    /// It could not.
    Failed(String),
}
