//! What the cases are about on Windows.

mod ends;
mod view;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::case::{Checked, NotPassed};
use crate::scene::Scene;

pub(super) use ends::{
    HEEDED, ended_by_force, ended_when_asked, has_no_way, innocent, is_interrupted, is_killed, more_statuses,
};
pub(super) use inapplicable as group;
pub(super) use inapplicable as out_of_memory;
pub(super) use inapplicable as session;
pub(super) use inapplicable as signals;
pub(super) use inapplicable as signals_seen;
pub(super) use view::{FOLDER, always_there, descriptors, full, name, odd, tees, tells_pid, text};

/// A path at which nothing is.
pub(super) const NOWHERE: &str = r"C:\nowhere\at\all";
/// How long who is asked politely has to end. Where no console is shared nobody hears, and all of it is waited for.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How many are a crowd. Each is a program that is started, at 20 ms and more, and has 20 seconds to come up.
pub(super) const CROWD: u64 = 60;
/// How often a task is run whose every end must be clean.
pub(super) const RUNS: i32 = 200;
/// How many children follow one another, in the 20 seconds that a task is waited for.
pub(super) const SHORT_LIVED: u64 = 50;
/// How many tasks there are at once: each may take all of its grace, and none lives longer than a minute.
pub(super) const AT_ONCE: u64 = 30;
/// How many generations are many.
pub(super) const GENERATIONS: u64 = 25;
/// Whether somebody outlives a dead harness for long enough to close its records. Here the kernel ends its tasks, and
/// closing the records is left to a sweep.
pub(super) const RECORDS_CLOSE: bool = false;

/// Tasks as wild as a promise of this level allows, how many of their processes tell that they are ready, and how
/// many they have then.
pub(super) const WILD: &[(&str, u64, usize)] =
    &[("well-behaved", 1, 1), ("ignores-term", 2, 2), ("stubborn-daemon", 1, 2)];
/// The wildest whose main process stays, where its end would be the end of all.
pub(super) const STAYING: &[(&str, u64, usize)] = WILD;

/// What Unix alone has is not asserted here. The case says by its needs what it would need, and is not run.
#[expect(clippy::unused_async, reason = "a case is asynchronous")]
pub(super) async fn inapplicable(_: Arc<Scene>) -> Checked {
    Err(NotPassed::Skipped("does not apply on Windows".into()))
}

/// Does nothing: who may write to a folder may write to what is in it.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn open_to_everybody(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Who is not root gives nothing away.
pub(super) fn give_to_nobody(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
