//! The process table of this system, and what names the system itself. One file for each system, all with the same
//! functions:
//!
//! * `start_time(pid)`: when the process with this pid started, in the system's own unit. `None` where there is none, or
//!   nothing of it runs any more.
//! * `is_hidden(pid)`: whether there is a process with this pid about which the system says nothing to this user.
//! * `boot()`: what names this boot, the same for as long as it lasts; empty where that cannot be told.
//! * `when(start_time)`: a start time as RFC 3339, for people.
//! * `machine()`: what names this machine.
//! * `remedy(task)`: the command by which a person kills what bears the mark of a task, where there is one.
//! * `namespaces()`: in which part of it pids, and what belongs to a task, are seen from here.

#[cfg(target_os = "freebsd")]
#[path = "freebsd.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;
#[cfg(not(any(target_os = "freebsd", target_os = "linux", target_os = "macos", windows)))]
#[path = "none.rs"]
mod system;

pub(crate) use system::{boot, is_hidden, machine, namespaces, remedy, start_time, when};
