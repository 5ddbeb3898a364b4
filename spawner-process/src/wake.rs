//! How a child's end wakes a helper up: a pipe, written to by the handler of SIGCHLD.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::sys;

/// Sleeps until one of `fds` is ready, for at most `most`.
pub(crate) fn sleep(fds: &mut [PollFd<'_>], most: Option<Duration>) -> io::Result<()> {
    let timeout = most
        .map(|most| Timespec { tv_sec: most.as_secs().cast_signed(), tv_nsec: most.subsec_nanos().into() });
    match poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
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
