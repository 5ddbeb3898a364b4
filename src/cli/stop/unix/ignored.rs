//! Which signals our parent had us ignore.
//!
//! Neither the standard library nor rustix can ask for a signal's disposition.
#![allow(unsafe_code)]

/// Whether a signal was ignored when we were started.
pub(in crate::cli) fn is_ignored(signal: i32) -> bool {
    // SAFETY: an all-zero sigaction is a valid value of that plain C struct.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the new action is null, so nothing is changed; `now` is valid for writing.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) };
    asked == 0 && now.sa_sigaction == libc::SIG_IGN
}
