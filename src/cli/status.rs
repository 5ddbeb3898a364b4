//! The exit statuses of the program.

use spawner::{CleanupOutcome, Error, ErrorKind, Exit};

/// With `--on-leak fail`: the verdict is not clean, or something was left behind.
pub(crate) const LEAKED: i32 = 123;
/// The task ran longer than its timeout.
pub(crate) const TIMED_OUT: i32 = 124;
/// `spawner` itself failed.
pub(crate) const FAILED: i32 = 125;
/// The task's program is there and cannot be executed.
pub(crate) const NOT_EXECUTABLE: i32 = 126;
/// The task's program was not found.
pub(crate) const NOT_FOUND: i32 = 127;
/// The task died of signal n: this plus n.
pub(crate) const SIGNALLED: i32 = 128;
/// The largest status that Unix has.
const LARGEST: i32 = 255;
/// The kernel killed the task since its memory ran out: what a shell says of SIGKILL.
pub(crate) const OUT_OF_MEMORY: i32 = SIGNALLED + 9;
/// Nobody reads our standard output any more: what a shell says of SIGPIPE.
pub(crate) const BROKEN_PIPE: i32 = SIGNALLED + 13;

/// The status that says how a task ended.
pub(crate) fn of_exit(exit: &Exit) -> i32 {
    match exit {
        // A status has 8 bits on Unix, and 32 on Windows.
        Exit::Exited { code } if cfg!(windows) || (0..=LARGEST).contains(code) => *code,
        Exit::Signalled { signal, .. } if (0..=LARGEST).contains(signal) => LARGEST.min(SIGNALLED + signal),
        Exit::OutOfMemory => OUT_OF_MEMORY,
        Exit::TimedOut => TIMED_OUT,
        Exit::Exited { .. } | Exit::Signalled { .. } | Exit::Lost { .. } => FAILED,
    }
}

/// The status that says why there is no task.
pub(crate) fn of_error(error: &Error) -> i32 {
    match error.kind() {
        ErrorKind::ProgramNotFound => NOT_FOUND,
        ErrorKind::NotExecutable => NOT_EXECUTABLE,
        _ => FAILED,
    }
}

/// Whether `--on-leak fail` has something to complain about.
pub(crate) fn is_leak(outcome: &CleanupOutcome) -> bool {
    !outcome.is_clean() || outcome.left_behind_total() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_how_the_task_ended() {
        for (exit, status) in [
            (Exit::Exited { code: 7 }, 7),
            (Exit::Signalled { signal: 15, core: false }, 143),
            (Exit::OutOfMemory, 137),
            (Exit::TimedOut, 124),
            (Exit::Lost { why: "x".into() }, 125),
        ] {
            assert_eq!(of_exit(&exit), status, "{exit}");
        }
    }
}
