//! The system calls that no safe library offers to a helper that forks, waits for children that it did not
//! start and passes exit statuses on.

#![allow(unsafe_code)] // Each block calls one system call, or touches memory shared with a child of ours.

mod signals;

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::mm::{Advice, madvise};

pub(crate) use signals::{
    hold_ends_back, ignore, on_child, on_end_of_parent, on_knock, reset, unblock_signals, was_knocked,
};

/// Which side of a fork this is.
pub(crate) enum Side {
    Parent(i32),
    Child,
}

/// Forks this process.
///
/// # Safety
///
/// The process must have one thread only.
pub(crate) unsafe fn fork() -> io::Result<Side> {
    // Not libc's, which has every child write to its libraries' data about threads that there are not, and so have a
    // copy of those pages. SAFETY: handed on.
    unsafe { clone(None, 0) }
}

/// Forks this process; the child is born in `cgroup` where one is given, and in new `namespaces`.
///
/// # Safety
///
/// The process must have one thread only.
pub(crate) unsafe fn fork_into(cgroup: Option<BorrowedFd<'_>>, namespaces: u64) -> io::Result<Side> {
    // SAFETY: handed on.
    unsafe { clone(cgroup, namespaces) }
}

/// Calls clone3(2) without a new stack and without CLONE_VM: a fork(2) that takes `flags`.
unsafe fn clone(cgroup: Option<BorrowedFd<'_>>, flags: u64) -> io::Result<Side> {
    let args = clone_args(cgroup, flags);
    // SAFETY: without CLONE_VM the child has a copy of this memory, and of its one thread (says the caller);
    // so this is a fork(2).
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    match i32::try_from(pid).unwrap_or(-1) {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(pid)),
    }
}

/// The arguments of clone3(2), with `flags` and, where one is given, a group to be born in.
pub(crate) fn clone_args(cgroup: Option<BorrowedFd<'_>>, flags: u64) -> libc::clone_args {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: all zeroes is a valid clone_args (clone3(2): zero means "not used").
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    args.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    args
}

/// Has the libraries find out what they find out once and keep, so that no process forked later writes that to pages of
/// its own.
pub(crate) fn find_out_what_is_kept() {
    let page = rustix::param::page_size();
    let statx = std::fs::symlink_metadata("/").is_ok();
    tracing::trace!(page, statx, "found out");
}

/// Gives freed memory back to the kernel, which the allocator would keep.
pub(crate) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives the pages of this thread's stack back that earlier calls have dirtied and nobody uses any more.
#[inline(never)] // In the frame of a caller, `here` could be above what that still needs.
pub(crate) fn give_stack_back() {
    /// How far down: not further than calls from here on may go anyway, so that all of it is the stack's.
    const DEPTH: usize = 16 << 10;
    /// More than this function has on it, and what the ABI lets it use below.
    const OWN: usize = 512;
    let page = rustix::param::page_size();
    let here = 0_u8;
    let end = (&raw const here as usize - OWN) / page * page;
    // SAFETY: nothing is on the stack below its end but what calls made here, or a signal's handler, will put there.
    let given = unsafe { madvise((end - DEPTH) as *mut _, DEPTH, Advice::LinuxDontNeed) };
    if let Err(errno) = given {
        tracing::trace!(%errno, "a stack keeps its pages");
    }
}

/// Ends this process at once, without running anything that was registered for its end.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) has no preconditions.
    unsafe { libc::_exit(status) }
}

/// A child that was reaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reaped {
    pub(crate) pid: i32,
    pub(crate) status: i32,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    pub(crate) max_rss: u64,
}

/// What there is to reap.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reap {
    One(Reaped),
    /// There are children, and none of them has ended.
    NoneYet,
    /// ECHILD: there is no child.
    Childless,
}

/// Reaps one child of any kind, or that with `pid`.
pub(crate) fn reap(pid: Option<i32>) -> io::Result<Reap> {
    wait(pid.unwrap_or(-1), libc::WNOHANG)
}

/// Waits for a child of any kind to end, and reaps it.
pub(crate) fn reap_blocking() -> io::Result<Reap> {
    wait(-1, 0)
}

fn wait(pid: i32, flags: c_int) -> io::Result<Reap> {
    let mut status: c_int = 0;
    // SAFETY: all zeroes is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let flags = flags | libc::__WALL;
    // SAFETY: both pointers are to live, writable memory of the right type.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, flags, &raw mut usage) };
    match reaped {
        0 => Ok(Reap::NoneYet),
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => Ok(Reap::Childless),
            error if error.kind() == io::ErrorKind::Interrupted => Ok(Reap::NoneYet),
            error => Err(error),
        },
        pid => Ok(Reap::One(Reaped {
            pid,
            status,
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            // Kilobytes on Linux and BSD (getrusage(2)).
            max_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        })),
    }
}

fn duration(time: libc::timeval) -> Duration {
    let micros =
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_micros(micros)
}

/// How a wait status reads: an exit status, or a signal and whether core was dumped.
pub(crate) fn decode(status: i32) -> Result<i32, (i32, bool)> {
    if libc::WIFSIGNALED(status) {
        Err((libc::WTERMSIG(status), libc::WCOREDUMP(status)))
    } else {
        Ok(libc::WEXITSTATUS(status))
    }
}

/// Executes the first of `candidates` that can be, like execvp(3); returns only with an error number and the
/// index of the candidate that it is about.
pub(crate) fn exec(candidates: &[CString], argv: &CStrings, env: &CStrings) -> (i32, usize) {
    let mut denied = None;
    let mut last = (libc::ENOENT, 0);
    for (index, path) in candidates.iter().enumerate() {
        // SAFETY: all three are NUL-terminated, the lists by a null pointer, and live through the call.
        unsafe { libc::execve(path.as_ptr(), argv.pointers(), env.pointers()) };
        last = (io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO), index);
        match last.0 {
            // What stands in a folder that may not be searched is not there for this account, unless it was
            // named with that folder.
            // SAFETY: the path is NUL-terminated and lives through the call.
            libc::EACCES
                if candidates.len() == 1 || unsafe { libc::access(path.as_ptr(), libc::F_OK) } == 0 =>
            {
                denied = Some(last);
            }
            libc::EACCES => last.0 = libc::ENOENT,
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
            _ => return last,
        }
    }
    denied.unwrap_or(last)
}

/// A list of strings as execve(2) wants it.
pub(crate) struct CStrings(Vec<CString>, Vec<*const c_char>);

impl CStrings {
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Self(strings, pointers)
    }

    /// The same with other words in place of the first.
    pub(crate) fn with_front(&self, front: &[CString]) -> Self {
        Self::new(front.iter().chain(self.0.iter().skip(1)).cloned().collect())
    }

    fn pointers(&self) -> *const *const c_char {
        self.1.as_ptr()
    }
}

/// Makes `fd` this session's controlling terminal.
pub(crate) fn take_terminal(fd: c_int) -> io::Result<()> {
    // SAFETY: TIOCSCTTY takes an integer.
    match unsafe { libc::ioctl(fd, libc::TIOCSCTTY as _, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Copies `from` over descriptor `to`, without CLOEXEC.
pub(crate) fn place(from: c_int, to: c_int) -> io::Result<()> {
    // SAFETY: descriptors are plain numbers to the kernel; what `to` was is meant to be closed.
    match unsafe { libc::dup2(from, to) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A duplicate of `fd` whose number is above those of the standard streams.
pub(crate) fn above_stdio(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes the lowest number wanted, and makes a new descriptor that we own.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: it is fresh, and nobody else knows it.
        new => Ok(unsafe { OwnedFd::from_raw_fd(new) }),
    }
}

/// One word of memory that a child writes and its parent reads.
pub(crate) struct SharedWord(*mut AtomicU64);

impl SharedWord {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping; its address is checked below.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<AtomicU64>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(address.cast()))
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the mapping is page-aligned, zeroed (a valid AtomicU64) and lives as long as the process.
        unsafe { &*self.0 }
    }

    pub(crate) fn set(&self, value: u64) {
        self.word().store(value, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> u64 {
        self.word().load(Ordering::SeqCst)
    }

    /// Gives its page back, which makes it zero.
    pub(crate) fn give_back(&mut self) {
        // SAFETY: the whole of a mapping of our own, which is a valid word without its page too: zero.
        let given = unsafe { madvise(self.0.cast(), rustix::param::page_size(), Advice::LinuxRemove) };
        if let Err(errno) = given {
            tracing::trace!(%errno, "a word keeps its page");
        }
    }

    pub(crate) fn take(&self) -> u64 {
        self.word().swap(0, Ordering::SeqCst)
    }
}

/// Closes every descriptor above the standard streams but those in `keep`.
pub(crate) fn close_all_but(keep: &mut [c_int]) -> io::Result<()> {
    keep.sort_unstable();
    let mut first: u32 = 3;
    for next in keep.iter().map(|fd| fd.cast_unsigned()).chain([u32::MAX]) {
        if first < next {
            // SAFETY: the caller owns every descriptor of this process, and forgets those it does not keep.
            if unsafe { libc::syscall(libc::SYS_close_range, first, next.saturating_sub(1), 0) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        first = first.max(next.saturating_add(1));
    }
    Ok(())
}
