//! Keepers that do not notice the harness's death, because something has stopped them.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use spawner_core::proc::Stat;

/// How often keepers are looked at while they are awaited.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Lets these unreaped children go on, should something have stopped them.
pub(super) fn resume(keepers: impl Iterator<Item = i32>) {
    for pid in keepers.filter_map(Pid::from_raw) {
        if let Err(errno) = kill_process(pid, Signal::CONT) {
            tracing::debug!(%errno, "a keeper may stay stopped");
        }
    }
}

/// Whether it does not run: it is stopped, and one that was resumed and is stopped again has somebody who wants
/// it so; or it is a zombie, which stays one as long as somebody else traces it.
pub(super) fn is_stuck(pid: i32) -> bool {
    Stat::of(pid).is_ok_and(|stat| matches!(stat.state, b'T' | b't') || stat.is_dead())
}
