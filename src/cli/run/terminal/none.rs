//! Where no task can have a terminal of its own. Its streams are ours, so a console is shared with it.

use spawner::stream::Terminal;
use spawner::{Input, Result, Spawner, TaskSpec};

use crate::cli::args::When;

/// A terminal to be lent; there is none.
pub(super) enum Host {}

/// A terminal that is joined with a task's; there is none.
pub(super) enum Relay {}

/// Where one is asked for, the specification says so, and the backend refuses it.
pub(super) fn host(when: When, spec: &mut TaskSpec, _: &dyn Spawner) -> Result<Option<Host>> {
    if when == When::Always {
        spec.stdin = Input::Terminal;
    }
    Ok(None)
}

impl Host {
    pub(super) fn relay(self, _: Option<Terminal>) -> Result<Relay> {
        match self {}
    }
}

impl Relay {
    #[allow(clippy::unused_async, reason = "where there are terminals, it waits")]
    pub(super) async fn finish(self) {
        match self {}
    }
}
