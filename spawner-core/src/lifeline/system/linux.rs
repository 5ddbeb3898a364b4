//! Linux: `/proc`, prctl(2), socket options.

#![allow(unsafe_code)] // close_range(2), and a socket option.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::path::PathBuf;

use rustix::net::SendFlags;
use rustix::process::{Pid, Signal, set_parent_process_death_signal};

/// No SIGPIPE where nobody listens.
pub(crate) const QUIETLY: SendFlags = SendFlags::NOSIGNAL;

/// [`QUIETLY`] does that.
#[allow(clippy::unnecessary_wraps, reason = "one interface for all systems")]
pub(crate) fn no_signal(_: impl AsFd) -> io::Result<()> {
    Ok(())
}

/// What this process runs, though its file may have been replaced since.
#[allow(clippy::unnecessary_wraps, reason = "one interface for all systems")]
pub(crate) fn executable() -> io::Result<PathBuf> {
    Ok("/proc/self/exe".into())
}

pub(crate) fn is_in_executable(here: usize) -> bool {
    let (Ok(maps), Ok(executable)) =
        (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe"))
    else {
        return false;
    };
    let executable = executable.to_string_lossy();
    maps.lines().any(|line| {
        let mut fields = line.splitn(6, ' ');
        let Some((start, end)) = fields.next().and_then(|range| range.split_once('-')) else { return false };
        let within = |start: &str, end: &str| {
            let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
            Some((start..end).contains(&here))
        };
        within(start, end) == Some(true) && fields.last().is_some_and(|path| path.trim() == executable)
    })
}

/// A stopped helper goes on when there is no harness any more that would see to that.
pub(crate) fn go_on_without_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::CONT))?)
}

/// Closes every descriptor but the standard streams.
///
/// # Safety
///
/// None of them is owned by anything in this process.
pub(crate) unsafe fn close_from_three() -> io::Result<()> {
    // SAFETY: they are nobody's, says the caller.
    match unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// What ps(1) shows.
pub(crate) fn set_name(name: &CStr) -> io::Result<()> {
    Ok(rustix::thread::set_name(name)?)
}

/// The process that made the pair of sockets, if it has a pid here. By hand: rustix takes the zero of a
/// process in an outer pid namespace for a pid.
pub(crate) fn maker(socket: BorrowedFd<'_>) -> Option<Pid> {
    let mut credentials = MaybeUninit::<libc::ucred>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).ok()?;
    // SAFETY: both pointers are to live memory, of the size that is given with them.
    let got = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            credentials.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if got != 0 {
        return None;
    }
    // SAFETY: it was zeroed, which is a valid value, and then filled in.
    Pid::from_raw(unsafe { credentials.assume_init() }.pid)
}
