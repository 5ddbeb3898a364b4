//! How a task is to be ended.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a task is to be ended: who is asked, and how long each part may take.
///
/// The whole of [`destroy_task`](crate::Spawner::destroy_task) takes at most
/// `linger + grace + deadline`, plus [`Teardown::SLACK`] for the last look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Teardown {
    /// Who gets the termination request. Default: every member.
    pub ask: AskScope,
    /// How long what remains after the main process ended by itself may take to finish by itself: the
    /// `tee` behind a pipe. Counted from the main process's end; costs nothing when nothing remains.
    /// Default 200 ms.
    pub linger: Duration,
    /// How long the task may take to end after it was asked. Zero skips the asking. Default 5 s.
    pub grace: Duration,
    /// How long, after force was used, its effect is awaited before what is still there is called a
    /// leftover. Default 5 s.
    pub deadline: Duration,
}

impl Teardown {
    /// What a last look may take beyond the deadline.
    pub const SLACK: Duration = Duration::from_millis(500);

    /// End it at once: no linger, no asking.
    pub fn at_once() -> Self {
        Self { linger: Duration::ZERO, grace: Duration::ZERO, ..Self::default() }
    }

    /// Sets [`Teardown::grace`].
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets [`Teardown::linger`].
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Sets [`Teardown::deadline`].
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets [`Teardown::ask`].
    #[must_use]
    pub fn ask(mut self, ask: AskScope) -> Self {
        self.ask = ask;
        self
    }
}

impl Default for Teardown {
    fn default() -> Self {
        Self {
            ask: AskScope::All,
            linger: Duration::from_millis(200),
            grace: Duration::from_secs(5),
            deadline: Duration::from_secs(5),
        }
    }
}

/// Who gets the termination request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AskScope {
    /// Every member of the task.
    All,
    /// The main process only; it is trusted to end the others.
    Leader,
}
