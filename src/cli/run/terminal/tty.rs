//! Our terminal as something that can be awaited.
//!
//! The one unsafe call is tokio's: it must be told that a descriptor stays open while it is registered.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A terminal, opened without waiting.
pub(super) struct Tty(AsyncFd<OwnedFd>);

impl Tty {
    /// Takes a terminal that was opened with O_NONBLOCK.
    pub(super) fn new(tty: OwnedFd) -> io::Result<Self> {
        // SAFETY: an OwnedFd is open, and nobody closes or replaces it while the AsyncFd owns it.
        Ok(Self(unsafe { AsyncFd::register(tty)? }))
    }

    /// Waits until something was typed and `ours` says that it is for us. What is not for us is left to
    /// whom it is for.
    pub(super) async fn typed(&self, ours: impl Fn() -> bool) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            if ours() {
                return Ok(());
            }
            // A terminal that is gone stays ready, and would be looked at again and again.
            if ready.ready().is_read_closed() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            ready.clear_ready();
        }
    }

    /// Reads what there is, without waiting; zero is the end.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_io(Interest::READABLE, |tty| Ok(rustix::io::read(tty, &mut *buffer)?))
    }

    /// Writes all of it.
    pub(super) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut ready = self.0.writable().await?;
            match ready.try_io(|tty| Ok(rustix::io::write(tty, bytes)?)) {
                Ok(Ok(written)) => bytes = &bytes[written..],
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_not_now) => {}
            }
        }
        Ok(())
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}
