//! What the keepers of Linux live on.

use super::mounts;
use crate::cli::doctor::finding::Finding;

/// What the mechanisms need.
pub(super) fn findings() -> Vec<Finding> {
    let mounts = mounts::all();
    vec![pidfd(), children(), mounts::proc(&mounts), mounts::groups(&mounts)]
}

/// Whether the kernel lists the children of a process, to a keeper that ends them.
fn children() -> Finding {
    match std::fs::read_to_string("/proc/thread-self/children") {
        Ok(_) => Finding::ok("children", "the kernel lists those of a process"),
        Err(error) => Finding::limited(
            "children",
            format!("/proc/thread-self/children: {error}"),
            "a slower walk over /proc serves; a kernel with CONFIG_PROC_CHILDREN lists them",
        ),
    }
}

/// Whether processes can be named without a race.
fn pidfd() -> Finding {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Finding::ok("pidfd", "processes are awaited and signalled without a race"),
        Err(error) => Finding::missing(
            "pidfd",
            format!("pidfd_open: {error}"),
            "needs Linux 5.3, and a seccomp profile that lets it pass",
        ),
    }
}
