//! What the cases are about on Unix.

mod ends;
mod harness;
mod view;

use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

pub(super) use ends::{
    HEEDED, ended_by_force, ended_when_asked, has_no_way, innocent, is_interrupted, is_killed, more_statuses,
    signals,
};
pub(super) use harness::{group, out_of_memory, session};
pub(super) use view::{
    FOLDER, always_there, descriptors, full, name, odd, signals_seen, tees, tells_pid, text,
};

/// A path at which nothing is.
pub(super) const NOWHERE: &str = "/nowhere/at/all";
/// How long who is asked politely has to end: time enough for a busy machine.
pub(super) const GRACE: Duration = Duration::from_secs(8);

/// How many are a crowd.
pub(super) const CROWD: u64 = 1000;
/// How often a task is run whose every end must be clean.
pub(super) const RUNS: i32 = 1000;
/// How many children follow one another.
pub(super) const SHORT_LIVED: u64 = 500;
/// How many tasks there are at once.
pub(super) const AT_ONCE: u64 = 100;
/// How many generations are many.
pub(super) const GENERATIONS: u64 = 300;
/// Whether somebody outlives a dead harness for long enough to close its records.
pub(super) const RECORDS_CLOSE: bool = true;

/// `nobody`, everywhere that we run.
const NOBODY: u32 = 65534;

/// Tasks as wild as a promise of this level allows, how many of their processes tell that they are ready, and how
/// many they have then.
pub(super) const WILD: &[(&str, u64, usize)] =
    &[("well-behaved", 1, 1), ("ignores-term", 2, 2), ("stubborn-daemon", 1, 2), ("subreaper", 2, 2)];
/// The wildest whose main process stays, where its end would be the end of all.
pub(super) const STAYING: &[(&str, u64, usize)] =
    &[("well-behaved", 1, 1), ("ignores-term", 2, 2), ("stubborn-daemon", 1, 2)];

/// Lets every user write to a file.
pub(super) fn open_to_everybody(file: &Path) -> io::Result<()> {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666))
}

/// Makes a file that of another user.
pub(super) fn give_to_nobody(file: &Path) -> io::Result<()> {
    chown(file, Some(NOBODY), None)
}
