//! The system, the user, the limits and the terminal.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use super::finding::Finding;

/// What concerns every task.
pub(super) fn basics() -> Vec<Finding> {
    #[cfg(unix)]
    return unix::findings();
    #[cfg(windows)]
    return windows::basics();
}

/// What the mechanisms of this system need.
pub(super) fn means() -> Vec<Finding> {
    #[cfg(target_os = "linux")]
    return linux::findings();
    #[cfg(windows)]
    return windows::means();
    #[cfg(not(any(target_os = "linux", windows)))]
    Vec::new()
}
