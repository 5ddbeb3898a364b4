//! How a task is to be ended.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How a task is to be ended: who is asked, and how long each part may take.
///
/// The whole of [`destroy_task`](crate::Spawner::destroy_task) takes at most
/// `linger + grace + deadline`, plus [`Teardown::SLACK`] for looking and giving back; on another machine also
/// plus sixteen times what the way there and back took.
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
    /// What looking and giving back may take beyond the other three.
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

/// Until when each part of one teardown may go on, so that one that hangs takes no time from the others.
/// What was not used of one part is at the disposal of the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timetable {
    pub(crate) linger: Instant,
    pub(crate) grace: Instant,
    pub(crate) force: Instant,
    pub(crate) look: Instant,
    pub(crate) release: Instant,
    /// What using force may take, where the deadline is shorter than this.
    pub(crate) share: Duration,
}

impl Timetable {
    /// What each of four may take of the slack: listing what was left behind, using force where the
    /// deadline is shorter than this, looking, and giving back.
    pub(crate) const SHARE: Duration = Duration::from_millis(125);

    pub(crate) fn new(began: Instant, teardown: &Teardown) -> Self {
        let linger = later(later(began, teardown.linger), Self::SHARE);
        let grace = later(linger, teardown.grace);
        let force = later(grace, teardown.deadline);
        let look = later(later(force, Self::SHARE), Self::SHARE);
        Self { linger, grace, force, look, release: later(look, Self::SHARE), share: Self::SHARE }
    }

    /// With more time for each of the four, where a question takes that much longer: each asks a few of them.
    pub(crate) fn widened(self, distance: Duration) -> Self {
        let more = distance.saturating_mul(4);
        let add = |instant, shares: u32| later(instant, more.saturating_mul(shares));
        Self {
            linger: add(self.linger, 1),
            grace: add(self.grace, 1),
            force: add(self.force, 1),
            look: add(self.look, 3),
            release: add(self.release, 4),
            share: self.share.saturating_add(more),
        }
    }
}

/// `instant + duration`, or the far future where there is no such instant: a person may well ask for a
/// grace without end.
pub(crate) fn later(instant: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(30 * 365 * 24);
    instant.checked_add(duration.min(FAR)).unwrap_or(instant)
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
