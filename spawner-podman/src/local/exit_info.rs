//! How a process ended that is not our child: what a pidfd tells of one that was reaped (Linux 6.15).

#![allow(unsafe_code)] // One ioctl that no library has yet.

use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// `struct pidfd_info` of `linux/pidfd.h`, in its first version.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
struct Info {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    /// Real, effective, saved and file system ids.
    credentials: [u32; 8],
    exit_code: i32,
}

/// `_IOWR(0xFF, 11, struct pidfd_info)`.
const GET_INFO: libc::Ioctl = {
    const SIZE: libc::Ioctl = 64;
    assert!(size_of::<Info>() == 64);
    (3 << 30) | (SIZE << 16) | (0xFF << 8) | 0x0B
};

/// `PIDFD_INFO_EXIT`.
const EXIT: u64 = 1 << 3;

/// The wait status of the process of `pidfd`, if it was reaped and the kernel keeps that.
pub(super) fn status(pidfd: BorrowedFd<'_>) -> Option<ExitStatus> {
    let mut info = Info { mask: EXIT, ..Info::default() };
    // SAFETY: the kernel reads and writes the memory that it is given, whose size is in the request's number.
    let got = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO, &raw mut info) };
    (got == 0 && info.mask & EXIT != 0).then(|| ExitStatus::from_raw(info.exit_code))
}

/// Whether this kernel tells how a process ended that was not a child of who asks.
pub(crate) fn is_told() -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    fn ended(script: &str) -> Option<ExitStatus> {
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let pidfd =
            pidfd_open(Pid::from_raw(child.id().cast_signed()).unwrap(), PidfdFlags::empty()).unwrap();
        child.wait().unwrap();
        status(pidfd.as_fd())
    }

    #[test]
    fn an_exit_with_137_and_a_kill_are_told_apart_where_the_kernel_says_so() {
        let (exited, killed) = (ended("exit 137"), ended("kill -KILL $$"));
        if is_told() {
            assert_eq!(exited.and_then(|status| status.code()), Some(137));
            assert_eq!(killed.and_then(|status| status.signal()), Some(9));
        } else {
            assert_eq!((exited, killed), (None, None));
        }
    }

    #[test]
    fn one_that_runs_has_no_status() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd =
            pidfd_open(Pid::from_raw(child.id().cast_signed()).unwrap(), PidfdFlags::empty()).unwrap();
        assert_eq!(status(pidfd.as_fd()), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
