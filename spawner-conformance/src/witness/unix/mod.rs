//! The eyes of the witness on Unix: a lock on a file (`flock`), which everything of a task inherits and the
//! kernel drops before the last holder can be reaped, and `/proc`, where everything of a task has the
//! scenario's token on its command line.

mod handle;
mod herd;
mod jail;
mod look;
mod memory;

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

use super::{Living, Witness};
use handle::Handle;

pub(super) use herd::parent;
pub(crate) use herd::{Herd, groups_of, signal_of};
pub(crate) use jail::Jail;
pub(super) use look::is_alive;
pub(crate) use memory::MemoryJail;

/// What is alive of the witness's task.
pub(super) fn living(witness: &Witness) -> Vec<Living> {
    look::living(witness.token())
}

/// Whether anything holds the lock of this file.
pub(super) fn is_locked(file: &Path) -> io::Result<bool> {
    let file = match OpenOptions::new().read(true).open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Nothing alive is without a command line for long.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn end_hidden() -> io::Result<()> {
    Ok(())
}

/// Nothing is counted that is not there.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn half_born() -> io::Result<usize> {
    Ok(0)
}

/// Whether a process of this name is the system's own, and in a task without being started by it: none is.
pub(crate) fn is_the_system_s(_: &str) -> bool {
    false
}

/// The pid that a process has in its own pid namespace, where that is another one than this one.
pub(super) fn pid_inside(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().skip(1).last()?.parse().ok()
}

/// Ends a process of the witness's task. Fine where it has ended.
pub(super) fn kill(witness: &Witness, living: &Living) -> io::Result<()> {
    let Some(handle) = Handle::of(living.pid)? else { return Ok(()) };
    // The pid may have been reused before the handle was opened; not after.
    if !look::carries(living.pid, witness.token()) {
        return Ok(());
    }
    handle.signal(Signal::KILL)
}
