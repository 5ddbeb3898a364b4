//! Workloads as Unix knows them: what they make is forked, and asked by signals.

mod detach;
mod ends;
#[cfg(target_os = "linux")]
mod linux;
mod storm;
mod streams;
mod sys;

use super::{Args, Workload};

pub(super) use sys::{cpu_used, leave, linger, privileged_copy, ready, until};

/// Whether workloads read /proc, which is not in every place where tasks run.
pub(crate) const READS_PROC: bool = true;

/// The workloads that are this platform's own.
pub(super) fn tables() -> impl Iterator<Item = &'static [(&'static str, Workload)]> {
    [
        ends::WORKLOADS,
        detach::WORKLOADS,
        storm::WORKLOADS,
        streams::WORKLOADS,
        #[cfg(target_os = "linux")]
        linux::WORKLOADS,
    ]
    .into_iter()
}

/// Takes the witness's lock, and sets the end of this workload's life.
pub(super) fn begin(_: &str, args: &Args) -> std::io::Result<()> {
    sys::begin(&args.lock)
}

/// Becomes what a set-uid copy of the program can be, where it was started to be that.
pub(super) fn become_helper(name: &str) {
    #[cfg(target_os = "linux")]
    if name == linux::SET_UID_HELPER {
        leave(linux::set_uid_helper());
    }
    #[cfg(not(target_os = "linux"))]
    let _ = name;
}

/// Has this process heed the signals that a terminal sends. A shell starts what it runs in the background
/// deaf to them, tasks inherit that, and no program can then be interrupted.
pub(crate) fn heed_the_terminal() {
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        sys::heed(signal);
    }
}
