//! Readiness of a descriptor, on the runtime that this is called on.

#![allow(unsafe_code)] // tokio wants it promised that a descriptor stays what it is; ours is owned.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor as [`AsyncFd`] takes it; several may share it.
#[derive(Debug)]
pub(crate) struct Owned(Arc<OwnedFd>);

impl AsRawFd for Owned {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Owned {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Registers a descriptor with the runtime.
pub(crate) fn watch(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Owned>> {
    // SAFETY: the shared owner cannot be replaced or closed while this holds it, and always names the same
    // descriptor.
    unsafe { AsyncFd::register_with_interest(Owned(fd), interest) }.map_err(io::Error::from)
}
