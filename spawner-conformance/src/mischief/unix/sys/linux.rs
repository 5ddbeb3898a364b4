//! What only Linux has.

use std::os::unix::ffi::OsStrExt as _;

use super::{CString, OsStr};

/// Real, effective and saved user 0; for the set-uid helper.
pub(crate) fn become_root() -> bool {
    // SAFETY: it takes numbers.
    unsafe { libc::setresuid(0, 0, 0) == 0 }
}

/// The name by which `ps` and `/proc/PID/stat` know this process; the kernel keeps 15 bytes.
pub(crate) fn set_name(name: &OsStr) {
    let Ok(name) = CString::new(name.as_bytes()) else { return };
    // SAFETY: the name is a C string that outlives the call.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Orphans among what this process makes fall to it.
pub(crate) fn become_subreaper() {
    // SAFETY: it takes numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// Its files in `/proc` belong to root from here on.
pub(crate) fn become_undumpable() {
    // SAFETY: it takes numbers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
}

/// Its parent traces it from here on.
pub(crate) fn be_traced() {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_TRACEME ignores the other arguments.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) };
}

/// What this process forks next is the first of a pid namespace.
pub(crate) fn unshare_pids() -> bool {
    // SAFETY: it takes flags; nothing is shared with another thread.
    unsafe {
        libc::unshare(libc::CLONE_NEWPID) == 0 || libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) == 0
    }
}

/// Ends this thread and not its process.
pub(crate) fn end_thread() -> ! {
    // SAFETY: exit(2) ends the calling thread; its stack stays mapped, so what others borrow from
    // it stays valid.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    super::leave(70)
}

/// Whether the child `pid` has ended; it is reaped then.
pub(crate) fn has_ended(pid: i32) -> bool {
    // SAFETY: the status is not asked for.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) == pid }
}

/// Waits until the child `pid` is a zombie, and leaves it one.
pub(crate) fn await_zombie(pid: i32) {
    // SAFETY: siginfo_t is plain data for which zeroes are valid.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = libc::id_t::try_from(pid).unwrap_or(0);
        libc::waitid(libc::P_PID, id, &raw mut info, libc::WEXITED | libc::WNOWAIT);
    }
}

/// Takes another user for good; says whether that worked.
pub(crate) fn become_user(uid: u32) -> bool {
    // SAFETY: they take numbers; an empty list of groups needs no pointer.
    unsafe {
        libc::setgroups(0, std::ptr::null());
        libc::setgid(uid);
        libc::setuid(uid) == 0 && libc::getuid() == uid
    }
}
