//! What the helper changes about its own process.

#![allow(unsafe_code)] // dup2(2), signal(2), and waiting for descriptors in an event loop.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::io::fcntl_dupfd_cloexec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::system;

/// The signals that are meant for the harness and its session.
const DEAF_TO: [libc::c_int; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGPIPE];

/// Leaves the harness's session, lets go of everything that it may have inherited, and moves the socket away from
/// standard input.
pub(super) fn settle(name: &CStr, socket: OwnedFd) -> io::Result<OwnedFd> {
    if rustix::process::setsid().is_err() {
        rustix::process::setpgid(None, None)?;
    }
    DEAF_TO.into_iter().try_for_each(ignore)?;
    system::go_on_without_parent()?;
    // SAFETY: nothing in this process has opened anything yet but the socket, which is standard input.
    unsafe { system::close_from_three()? };
    let own = fcntl_dupfd_cloexec(&socket, 3)?;
    drop(socket);
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    for stream in 0..3 {
        // SAFETY: the standard streams are nobody's here.
        if null.as_raw_fd() != stream && unsafe { libc::dup2(null.as_raw_fd(), stream) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    if null.as_raw_fd() < 3 {
        // It took the place of a stream, and is it now.
        std::mem::forget(null);
    }
    system::set_name(name)?;
    Ok(own)
}

fn ignore(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: SIG_IGN is a handler that runs no code of ours.
    match unsafe { libc::signal(signal, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Has the event loop tell when a descriptor becomes readable.
pub(super) fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open, and nobody closes or replaces it while the AsyncFd owns it.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? })
}

/// Ends this process at once, without running what the harness has registered for its own end.
pub(super) fn leave(status: i32) -> ! {
    // SAFETY: _exit(2) takes any number, and does not return.
    unsafe { libc::_exit(status) }
}
