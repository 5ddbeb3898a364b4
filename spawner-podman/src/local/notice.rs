//! The runtime's notice that a descriptor is ready.

#![allow(unsafe_code)] // What the runtime asks of the descriptor that it is given.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor as [`AsyncFd`] takes it.
#[derive(Debug)]
pub(super) struct Owned(pub(super) OwnedFd);

impl AsRawFd for Owned {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Lets the runtime of now watch `fd`; an error where it does not, or there is none.
pub(super) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<Owned>> {
    // SAFETY: `Owned` keeps the descriptor open and its number the same as long as the runtime watches it.
    unsafe { AsyncFd::register_with_interest(Owned(fd), interest) }.map_err(io::Error::from)
}
