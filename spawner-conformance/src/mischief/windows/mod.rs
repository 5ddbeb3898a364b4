//! Workloads as Windows knows them: what they make is this program, started again, and asked by the console.

mod births;
mod detach;
mod ends;
mod life;
mod storm;
mod streams;

use super::Workload;

pub(crate) use crate::win::process::{leave, own_cpu as cpu_used};
pub(super) use life::{begin, linger, ready, until};

/// Whether workloads read /proc, which is not in every place where tasks run.
pub(crate) const READS_PROC: bool = false;

/// The workloads that are this platform's own.
pub(super) fn tables() -> impl Iterator<Item = &'static [(&'static str, Workload)]> {
    [ends::WORKLOADS, detach::WORKLOADS, storm::WORKLOADS, streams::WORKLOADS].into_iter()
}

/// No program is executed with somebody else's privilege.
pub(super) fn privileged_copy() -> bool {
    false
}

/// And none can be a helper of that kind.
pub(super) fn become_helper(_: &str) {}

/// Has this process heed a Ctrl-C, to which it was perhaps started deaf.
pub(crate) fn heed_the_terminal() {
    if let Err(error) = crate::win::console::heed_the_terminal() {
        eprintln!("an interrupt may not be heard: {error}");
    }
}
