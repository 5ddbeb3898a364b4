//! Signals that a helper gets: handlers, what is ignored, what is held back.

#![allow(unsafe_code)] // Each block calls one system call; the handlers do what signal-safety(7) allows.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// The descriptor that the handler writes to; -1 where there is none.
static WAKE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn wake(_: c_int) {
    // SAFETY: errno and write(2) may be used in a handler (signal-safety(7)).
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(WAKE.load(Ordering::Relaxed), [0u8; 1].as_ptr().cast(), 1);
        *libc::__errno_location() = errno;
    }
}

/// Has a byte written to `fd`, which must not block, whenever a child changes its state.
pub(crate) fn on_child(fd: &OwnedFd) -> io::Result<()> {
    WAKE.store(fd.as_raw_fd(), Ordering::Relaxed);
    let handler = wake as extern "C" fn(c_int) as libc::sighandler_t;
    set_handler(libc::SIGCHLD, handler, libc::SA_RESTART | libc::SA_NOCLDSTOP).map(drop)
}

/// Whether somebody has knocked.
static KNOCKED: AtomicBool = AtomicBool::new(false);

extern "C" fn knocked(signal: c_int) {
    KNOCKED.store(true, Ordering::Relaxed);
    wake(signal);
}

/// Has SIGUSR1 wake the helper up like the end of a child, and be remembered.
pub(crate) fn on_knock() -> io::Result<()> {
    let handler = knocked as extern "C" fn(c_int) as libc::sighandler_t;
    set_handler(libc::SIGUSR1, handler, libc::SA_RESTART).map(drop)
}

/// Whether somebody has knocked since this was asked last.
pub(crate) fn was_knocked() -> bool {
    KNOCKED.swap(false, Ordering::Relaxed)
}

/// Ignores `signal`; says whether it had been ignored already.
pub(crate) fn ignore(signal: c_int) -> io::Result<bool> {
    set_handler(signal, libc::SIG_IGN, 0).map(|old| old == libc::SIG_IGN)
}

/// Gives `signal` its default meaning.
pub(crate) fn reset(signal: c_int) -> io::Result<()> {
    set_handler(signal, libc::SIG_DFL, 0).map(drop)
}

fn set_handler(signal: c_int, handler: libc::sighandler_t, flags: c_int) -> io::Result<libc::sighandler_t> {
    // SAFETY: all zeroes is a valid sigaction, with an empty mask.
    let (mut new, mut old): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
    new.sa_sigaction = handler;
    new.sa_flags = flags;
    // SAFETY: both point to live sigactions; the handler, where one is set, is async-signal-safe.
    match unsafe { libc::sigaction(signal, &raw const new, &raw mut old) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(old.sa_sigaction),
    }
}

/// Blocks SIGCHLD, or lets it come; what came meanwhile comes then, once.
pub(crate) fn hold_ends_back(hold: bool) -> io::Result<()> {
    let how = if hold { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    // SAFETY: all zeroes is a valid set, which sigemptyset empties; both calls get a live one.
    match unsafe {
        let mut ends: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut ends);
        libc::sigaddset(&raw mut ends, libc::SIGCHLD);
        libc::sigprocmask(how, &raw const ends, ptr::null_mut())
    } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Unblocks every signal.
pub(crate) fn unblock_signals() -> io::Result<()> {
    // SAFETY: all zeroes is the empty set here, and sigemptyset makes sure of it.
    match unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut())
    } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Has the kernel send this process `signal` when the thread ends that started it, and when any other thread
/// ends that has become its parent since. What this process forks does not inherit that (prctl(2)).
pub(crate) fn on_end_of_parent(signal: c_int) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes a signal number.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
