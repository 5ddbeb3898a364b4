//! What a helper and its harness need of the system beyond POSIX. One file for each, all with the same functions.

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
#[path = "bsd.rs"]
mod this;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod this;

pub(super) use this::{
    QUIETLY, close_from_three, executable, go_on_without_parent, is_in_executable, maker, no_signal, set_name,
};
