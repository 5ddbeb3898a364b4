//! How a child's end wakes a helper up: a pipe, written to by the handler of SIGCHLD.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::linux::sys;

/// Sleeps until one of `fds` is ready, for at most `most`. Gives whether one is, or a signal came.
pub(crate) fn sleep(fds: &mut [PollFd<'_>], most: Option<Duration>) -> io::Result<bool> {
    let timeout = most
        .map(|most| Timespec { tv_sec: most.as_secs().cast_signed(), tv_nsec: most.subsec_nanos().into() });
    match poll(fds, timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// The same, and the ends of children do not wake it up.
pub(crate) fn sleep_through_ends(fds: &mut [PollFd<'_>], most: Duration) -> io::Result<bool> {
    sys::hold_ends_back(true)?;
    let ready = sleep(fds, Some(most));
    sys::hold_ends_back(false)?;
    ready
}

/// The pipe; one for each process.
#[derive(Debug)]
pub(crate) struct Wake {
    reader: OwnedFd,
    _writer: OwnedFd,
}

impl Wake {
    /// Makes the pipe and installs the handler, in place of any that an earlier process had.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        sys::on_child(&writer)?;
        sys::on_knock()?;
        Ok(Self { reader, _writer: writer })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Forgets the wake-ups so far.
    pub(crate) fn drain(&self) {
        let mut buffer = [0u8; 64];
        loop {
            match rustix::io::read(&self.reader, &mut buffer) {
                Ok(0) | Err(Errno::AGAIN) => return,
                Ok(_) | Err(Errno::INTR) => {}
                // The pipe is our own; whatever this is, the children are looked at next.
                Err(_) => return,
            }
        }
    }
}
