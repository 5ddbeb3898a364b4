//! Notice of the end of a process, be it a child of this one or not. One file for each system.

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
#[path = "kqueue.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "pidfd.rs"]
mod system;

use std::io;
use std::os::fd::OwnedFd;

/// A descriptor that can be read from, and stays so, once this process has ended; `None` where it has by now. It is to be
/// polled for, not read.
///
/// A pid says nothing of who has it: the caller compares the start time afterwards, and does not wait for ever. Of a zombie
/// it is told at once, or that it has ended.
pub fn notice(pid: u32) -> io::Result<Option<OwnedFd>> {
    system::notice(pid)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    #[test]
    fn the_end_of_a_process_is_noticed_and_stays_so() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let notice = notice(child.id()).unwrap().unwrap();
        let wait = |seconds| {
            let timeout = Timespec { tv_sec: seconds, tv_nsec: 0 };
            poll(&mut [PollFd::new(&notice, PollFlags::IN)], Some(&timeout)).unwrap()
        };
        assert_eq!(wait(0), 0);
        drop(child.stdin.take());
        assert_eq!((wait(10), wait(0)), (1, 1));
        child.wait().unwrap();
        assert!(super::notice(child.id()).unwrap().is_none(), "it has been reaped");
    }
}
