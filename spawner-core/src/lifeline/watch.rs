//! Seeing the harness's death where end of file on the socket does not come.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};

/// The harness of a helper, watched by a pidfd: a copy of the harness that was forked and never executed
/// anything holds the sockets open, and outlives it.
///
/// It is about the whole process: a thread that ends, be it the first, changes nothing. Where the harness
/// cannot be told for certain, nothing is watched, and the socket is all there is.
#[derive(Debug, Default)]
pub struct Watch {
    pidfd: Option<OwnedFd>,
    pid: u32,
    dead: bool,
}

impl Watch {
    /// For a helper, as soon as it runs: watches the process that made `socket`, if that is its parent still.
    pub fn of_harness(socket: BorrowedFd<'_>) -> Self {
        let Some(harness) = maker(socket) else { return Self::default() };
        let pid = harness.as_raw_nonzero().get().cast_unsigned();
        let pidfd = match pidfd_open(harness, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(errno) => return Self { pidfd: None, pid, dead: errno == Errno::SRCH },
        };
        let mut watch = Self { pidfd: Some(pidfd), pid, dead: false };
        // Its pid is not another's as long as it is the parent; and one that is dead is its own for certain, or
        // another's that got it after the harness's death.
        if !watch.is_dead() && getppid() != Some(harness) {
            watch.pidfd = None;
        }
        watch
    }

    /// What is readable once the harness is dead; to be polled, until [`Watch::is_dead`] says so.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(OwnedFd::as_fd)
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
        if let Some(pidfd) = &self.pidfd {
            let seconds = patience.as_secs().cast_signed();
            let now = Timespec { tv_sec: seconds, tv_nsec: patience.subsec_nanos().into() };
            // Where it cannot be asked it is asked again, the next time that the helper wakes up.
            let readable = poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now));
            self.dead = readable.is_ok_and(|ready| ready > 0);
            if self.dead {
                self.pidfd = None;
            }
        }
        self.dead
    }
}

/// The process that made the pair of sockets, if it has a pid here. By hand: rustix takes the zero of a
/// process in an outer pid namespace for a pid.
fn maker(socket: BorrowedFd<'_>) -> Option<Pid> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    #[test]
    fn a_socket_of_somebody_who_is_not_the_parent_is_not_watched() {
        let pair = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        assert_eq!(maker(pair.0.as_fd()), Some(rustix::process::getpid()));
        let mut watch = Watch::of_harness(pair.0.as_fd());
        assert!(watch.fd().is_none() && !watch.is_dead());
    }
}
