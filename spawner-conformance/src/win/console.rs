//! What a process hears from its console, and what it says when it dies.
#![allow(unsafe_code)] // A handler is called by a thread of the system's own.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::Diagnostics::Debug::{
    EXCEPTION_POINTERS, SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode,
    SetUnhandledExceptionFilter,
};
use windows_sys::core::BOOL;

use super::done;

/// How often this process was asked, since it began to listen.
static ASKED: AtomicU32 = AtomicU32::new(0);

unsafe extern "system" fn counts(_: u32) -> BOOL {
    ASKED.fetch_add(1, Ordering::Relaxed);
    1
}

/// From here on a Ctrl-Break, or whatever the console says, is counted, and does nothing.
pub(crate) fn listen() -> io::Result<()> {
    // SAFETY: the handler only counts, which any thread may do at any time.
    done(unsafe { SetConsoleCtrlHandler(Some(counts), 1) })
}

/// A process with a fault ends with its code, and no debugger or reporter is started to look at it.
unsafe extern "system" fn just_ends(fault: *const EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system gives valid pointers, and those only.
    super::process::leave(unsafe { (*(*fault).ExceptionRecord).ExceptionCode })
}

/// How often this process was asked, since it began to listen.
pub(crate) fn asked() -> u32 {
    ASKED.load(Ordering::Relaxed)
}

/// Has this process heed a Ctrl-C, to which it was perhaps started deaf.
pub(crate) fn heed_the_terminal() -> io::Result<()> {
    // SAFETY: no handler is given; this is the call's second meaning.
    done(unsafe { SetConsoleCtrlHandler(None, 0) })
}

/// No window asks a person what to do when this process, or one that it starts, dies of a fault.
pub(crate) fn die_quietly() {
    // SAFETY: it takes flags.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    // SAFETY: the filter does nothing but end this process.
    unsafe { SetUnhandledExceptionFilter(Some(just_ends)) };
}
