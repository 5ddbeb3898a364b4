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
