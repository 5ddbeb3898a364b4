//! Opens a pseudo-terminal.

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
#[path = "pty/by_name.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "pty/by_ioctl.rs"]
mod system;

/// The near end and the task's end, both closed on exec; neither becomes this process's controlling terminal.
pub(crate) use system::open;
