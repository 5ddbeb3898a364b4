//! Seeing the harness's death where end of file on the socket does not come.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getppid;

use super::system::maker;
use crate::exits;

/// The harness of a helper, watched by notice of its end: a copy of the harness that was forked and never executed
/// anything holds the sockets open, and outlives it.
///
/// It is about the whole process: a thread that ends, be it the first, changes nothing. Where the harness
/// cannot be told for certain, nothing is watched, and the socket is all there is.
#[derive(Debug, Default)]
pub struct Watch {
    notice: Option<OwnedFd>,
    pid: u32,
    dead: bool,
}

impl Watch {
    /// For a helper, as soon as it runs: watches the process that made `socket`, if that is its parent still.
    pub fn of_harness(socket: BorrowedFd<'_>) -> Self {
        let Some(harness) = maker(socket) else { return Self::default() };
        let pid = harness.as_raw_nonzero().get().cast_unsigned();
        let notice = match exits::notice(pid) {
            Ok(Some(notice)) => notice,
            Ok(None) => return Self { notice: None, pid, dead: true },
            Err(_) => return Self { notice: None, pid, dead: false },
        };
        let mut watch = Self { notice: Some(notice), pid, dead: false };
        // Its pid is not another's as long as it is the parent; and one that is dead is its own for certain, or
        // another's that got it after the harness's death.
        if !watch.is_dead() && getppid() != Some(harness) {
            watch.notice = None;
        }
        watch
    }

    /// What is readable once the harness is dead; to be polled, until [`Watch::is_dead`] says so.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.notice.as_ref().map(OwnedFd::as_fd)
    }

    /// Whether the harness is known to be dead.
    pub fn is_dead(&mut self) -> bool {
        self.dies_within(Duration::ZERO)
    }

    /// Its pid, where it is known to be dead.
    pub fn dead(&mut self) -> Option<u32> {
        self.is_dead().then_some(self.pid)
    }

    /// The same, once it had this long to die; blocks the thread.
    pub(super) fn dies_within(&mut self, patience: Duration) -> bool {
        if let Some(notice) = &self.notice {
            let seconds = patience.as_secs().cast_signed();
            let now = Timespec { tv_sec: seconds, tv_nsec: patience.subsec_nanos().into() };
            // Where it cannot be asked it is asked again, the next time that the helper wakes up.
            let readable = poll(&mut [PollFd::new(notice, PollFlags::IN)], Some(&now));
            self.dead = readable.is_ok_and(|ready| ready > 0);
            if self.dead {
                self.notice = None;
            }
        }
        self.dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_somebody_who_is_not_the_parent_is_not_watched() {
        let pair = std::os::unix::net::UnixStream::pair().unwrap();
        #[cfg(target_os = "linux")]
        assert_eq!(maker(pair.0.as_fd()), Some(rustix::process::getpid()));
        let mut watch = Watch::of_harness(pair.0.as_fd());
        assert!(watch.fd().is_none() && !watch.is_dead());
    }
}
