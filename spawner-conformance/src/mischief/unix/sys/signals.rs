//! Signals.

/// Ignores `signal`, in this process and in all that it makes.
pub(in crate::mischief::unix) fn ignore(signal: i32) {
    // SAFETY: SIG_IGN is no function that could do anything unsound.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Gives `signal` its default meaning where it was ignored.
pub(in crate::mischief::unix) fn heed(signal: i32) {
    // SAFETY: SIG_DFL is no function, and what is put back was there before.
    unsafe {
        let old = libc::signal(signal, libc::SIG_DFL);
        if old != libc::SIG_IGN && old != libc::SIG_ERR {
            libc::signal(signal, old);
        }
    }
}

/// Sends `signal` to this process.
pub(in crate::mischief::unix) fn raise(signal: i32) {
    // SAFETY: it takes a number.
    unsafe { libc::raise(signal) };
}

/// Sends `signal` to a child that was not reaped.
pub(in crate::mischief::unix) fn kill(child: i32, signal: i32) {
    // SAFETY: it takes numbers.
    unsafe { libc::kill(child, signal) };
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: sigset_t is plain data, made valid by sigemptyset.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// Holds `signals` back until [`await_signal`] takes them.
pub(in crate::mischief::unix) fn block(signals: &[i32]) {
    let set = set_of(signals);
    // SAFETY: the set is valid, and the old one is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Lets `signals` through again.
pub(in crate::mischief::unix) fn unblock(signals: &[i32]) {
    let set = set_of(signals);
    // SAFETY: the set is valid, and the old one is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Waits for one of `signals`, which are blocked.
pub(in crate::mischief::unix) fn await_signal(signals: &[i32]) -> i32 {
    let (set, mut got) = (set_of(signals), 0);
    // SAFETY: the set is valid and `got` is valid for writing.
    unsafe { libc::sigwait(&raw const set, &raw mut got) };
    got
}
