//! The main process of a task, as a child of the harness that is reaped late.

#![allow(unsafe_code)] // wait4(2), for what a child has used.

use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use spawner_core::{Exit, Usage};

/// How it ended; `None` while it runs. It stays a zombie, which holds its pid.
pub(super) fn ended(pid: Pid) -> Option<Exit> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        return match waitid(WaitId::Pid(pid), options) {
            Ok(None) => None,
            Ok(Some(status)) => Some(match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Exited { code: code & 0xff },
                (None, Some(signal)) => Exit::Signalled { signal, core: status.dumped() },
                (None, None) => Exit::Lost { why: "the system did not say how it ended".to_owned() },
            }),
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => Some(Exit::Lost {
                why: "somebody else in the harness has reaped it, or SIGCHLD is ignored".to_owned(),
            }),
        };
    }
}

/// Reaps it, where it has ended; says what it and what it has reaped had used. `None` where there was nothing to reap.
pub(super) fn reap(pid: Pid) -> Option<Usage> {
    let mut used = MaybeUninit::<libc::rusage>::zeroed();
    let mut status = 0;
    // SAFETY: both pointers are to live memory of their types.
    let reaped =
        unsafe { libc::wait4(pid.as_raw_nonzero().get(), &raw mut status, libc::WNOHANG, used.as_mut_ptr()) };
    if reaped != pid.as_raw_nonzero().get() {
        return None;
    }
    // SAFETY: it was zeroed, which is a valid value, and then filled in.
    let used = unsafe { used.assume_init() };
    let time = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or_default())
    };
    // Bytes on macOS, else units of 1024.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    Some(Usage {
        cpu_user: time(used.ru_utime),
        cpu_system: time(used.ru_stime),
        peak_memory: u64::try_from(used.ru_maxrss).ok().map(|most| most.saturating_mul(unit)),
    })
}
