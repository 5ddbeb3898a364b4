//! The calls of Windows that the suite makes itself: the workloads to misbehave, the witness to look. None of them
//! goes by way of a backend.

pub(crate) mod console;
pub(crate) mod file;
pub(crate) mod job;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod snapshot;
pub(crate) mod thread;

use std::io;

/// A text with a zero behind it, as Windows takes it.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The error of the last call, where it gave nothing.
fn done(gave: windows_sys::core::BOOL) -> io::Result<()> {
    if gave == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
