//! The eyes of the witness on Windows.
//!
//! A file that everything of a task has open, and that nobody can open for themselves alone until the last handle to
//! it is closed. And the processes themselves: those that have written down their pid and their time of creation and
//! are still there, and those in the suite's own job with the scenario's token on their command line.

mod herd;
mod jail;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{Living, Witness};
use crate::win::process::Process;
use crate::win::snapshot;
use crate::{harness, mischief};

pub(crate) use herd::{Herd, strike};
pub(crate) use jail::Jail;
pub(super) use jail::end_half_born as end_hidden;
pub(crate) use jail::half_born;

/// What is added to the name of the lock's file for that of the list of who has begun.
pub(crate) const WRITTEN_DOWN: &str = ".begun";

const ERROR_SHARING_VIOLATION: i32 = 32;

/// What is alive of the witness's task.
pub(super) fn living(witness: &Witness) -> Vec<Living> {
    let mut found: HashMap<u32, Living> = HashMap::new();
    for (pid, what) in written_down(witness) {
        found.insert(pid, Living { pid, state: 'R', what });
    }
    let inside = jail::pids().into_iter().filter(|pid| !found.contains_key(pid)).collect::<Vec<_>>();
    for pid in inside {
        if let Some(what) = named(pid, witness.token()) {
            found.insert(pid, Living { pid, state: 'R', what });
        }
    }
    let mut living: Vec<_> = found.into_values().collect();
    living.sort_by_key(|living| living.pid);
    living
}

/// Who has written itself down: the pid, the time of creation, and the name of the workload.
fn list(witness: &Witness) -> Vec<(u32, u64, String)> {
    let mut list = witness.lock().to_owned().into_os_string();
    list.push(WRITTEN_DOWN);
    let text = std::fs::read_to_string(list).unwrap_or_default();
    let read = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (pid, created) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((pid, created, words.next().unwrap_or_default().to_owned()))
    };
    text.lines().filter_map(read).collect()
}

/// Those of them that are alive.
fn written_down(witness: &Witness) -> Vec<(u32, String)> {
    let list = list(witness);
    if list.is_empty() {
        return Vec::new();
    }
    let there: HashSet<u32> = snapshot::take().unwrap_or_default().iter().map(|entry| entry.pid).collect();
    let find = |(pid, created, what): (u32, u64, String)| {
        let process = if there.contains(&pid) { Process::open(pid).ok()?? } else { return None };
        let same = process.created().is_ok_and(|now| now == created) && process.is_alive();
        same.then_some((pid, what))
    };
    list.into_iter().filter_map(find).collect()
}

/// What a living process with this token on its command line is.
fn named(pid: u32, token: &str) -> Option<String> {
    let process = Process::open(pid).ok()??;
    let line = process.command_line().ok()?;
    if !line.contains(token) || line.contains(harness::ARGUMENT) || !process.is_alive() {
        return None;
    }
    let mut words = line.split(' ').skip_while(|word| *word != mischief::ARGUMENT).skip(1);
    Some(words.next().unwrap_or("unknown").to_owned())
}

/// Whether the process `pid` is alive now.
pub(super) fn is_alive(pid: u32) -> bool {
    matches!(Process::open(pid), Ok(Some(process)) if process.is_alive())
}

/// The parent of a process.
pub(super) fn parent(pid: u32) -> Option<u32> {
    let all = snapshot::take().ok()?;
    all.iter().find(|entry| entry.pid == pid).map(|entry| entry.parent)
}

/// No process has another number than the one that all know it by.
pub(super) fn pid_inside(_: u32) -> Option<u32> {
    None
}

/// Whether anything has this file open.
pub(super) fn is_locked(file: &Path) -> io::Result<bool> {
    match OpenOptions::new().read(true).share_mode(0).open(file) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Ends a process of the witness's task. Fine where it has ended.
pub(super) fn kill(witness: &Witness, living: &Living) -> io::Result<()> {
    let Some(process) = Process::open(living.pid)? else { return Ok(()) };
    // The pid may have been given to another before the handle was opened; not after.
    let created = process.created()?;
    let own = list(witness).iter().any(|(pid, since, _)| (*pid, *since) == (living.pid, created))
        || named(living.pid, witness.token()).is_some();
    if own { process.kill() } else { Ok(()) }
}

/// Whether a process of this name is the system's own, and in a task without being started by it: it serves a console,
/// and ends with the last process that is at it.
pub(crate) fn is_the_system_s(name: &str) -> bool {
    name.eq_ignore_ascii_case("conhost.exe")
}

/// There are no control groups.
pub(crate) fn groups_of(_: impl IntoIterator<Item = u32>) -> BTreeSet<PathBuf> {
    BTreeSet::new()
}
