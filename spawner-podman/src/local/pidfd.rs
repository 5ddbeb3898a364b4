//! One process, held by a pidfd, so that no other is ever taken for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::ProcessIdentity;
use tokio::io::Interest;

use super::notice::watch;

/// One process.
#[derive(Debug)]
pub(crate) struct Pidfd(OwnedFd);

impl Pidfd {
    /// The process with this pid now, which may be another than the caller thinks: to be checked after.
    /// `None` where there is none.
    pub(super) fn open(pid: i32) -> io::Result<Option<Self>> {
        let Some(pid) = Pid::from_raw(pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Some(Self(pidfd))),
            Err(Errno::SRCH) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// This very process; `None` where it has ended.
    pub(super) fn of(process: &ProcessIdentity) -> io::Result<Option<Self>> {
        let pidfd = Self::open(process.pid.cast_signed())?;
        Ok(pidfd.filter(|_| process.is_alive()))
    }

    /// Sends a signal; fine where it has ended.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.0, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether it has ended, be it reaped or not.
    pub(super) fn has_ended(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // One that cannot be polled is looked at again.
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> io::Result<()> {
        if self.has_ended() {
            return Ok(());
        }
        let watched = watch(self.0.try_clone()?, Interest::READABLE)?;
        loop {
            let mut ready = watched.readable().await?;
            if self.has_ended() {
                return Ok(());
            }
            ready.clear_ready();
        }
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
