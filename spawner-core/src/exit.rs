//! How a task's main process ended.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a task's main process ended. The task's own failure is never mixed with the machinery's:
/// what the machinery could not find out is [`Exit::Lost`] or an [`Error`](crate::Error).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this status.
    Exited {
        /// The exit status, 0 to 255 on Unix.
        code: i32,
    },
    /// A signal ended it.
    Signalled {
        /// The signal's number on the task's platform.
        signal: i32,
        /// Whether the kernel says that it dumped core.
        core: bool,
    },
    /// The kernel ended it because the task's memory limit was reached.
    #[serde(rename = "oom")]
    OutOfMemory,
    /// It was ended because it ran longer than its `timeout`.
    TimedOut,
    /// Nobody can say any more; for instance, what watched it was killed.
    Lost {
        /// What happened, in a fragment of a sentence.
        why: String,
    },
}

impl Exit {
    /// Whether the task said that it went well: status 0.
    pub fn success(&self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => match ntstatus(*code) {
                Some(name) => write!(f, "exited with status 0x{:08X} ({name})", code.cast_unsigned()),
                None => write!(f, "exited with status {code}"),
            },
            Self::Signalled { signal, core } => {
                write!(f, "ended by signal {signal}{}", if *core { ", core dumped" } else { "" })
            }
            Self::OutOfMemory => f.write_str("ended by the kernel: out of memory"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Lost { why } => write!(f, "lost: {why}"),
        }
    }
}

/// What Windows calls the exit code of a program that it ended for an error (ntstatus.h). Elsewhere there are no such
/// codes.
fn ntstatus(code: i32) -> Option<&'static str> {
    Some(match code.cast_unsigned() {
        0x8000_0003 => "breakpoint",
        0xC000_0005 => "access violation",
        0xC000_0006 => "in-page error",
        0xC000_0008 => "invalid handle",
        0xC000_0017 => "no memory",
        0xC000_001D => "illegal instruction",
        0xC000_008C => "array bounds exceeded",
        0xC000_0094 => "integer division by zero",
        0xC000_0096 => "privileged instruction",
        0xC000_00FD => "stack overflow",
        0xC000_0135 => "a library that it needs was not found",
        0xC000_0139 => "an entry point that it needs was not found",
        0xC000_013A => "ended by Ctrl+C or Ctrl+Break",
        0xC000_0142 => "a library that it needs could not be initialised",
        0xC000_0374 => "heap corruption",
        0xC000_0409 => "aborted, or stack buffer overrun",
        0xC000_0420 => "assertion failure",
        // Severity "error", from no facility that programs use for codes of their own.
        0xC000_0000..=0xC000_FFFF => "an error of the system's",
        _ => return None,
    })
}

/// What a task used, as far as the place where it ran can say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Time on a CPU in user mode, of everything of the task that has been reaped.
    pub cpu_user: Duration,
    /// Time on a CPU in the kernel, likewise.
    pub cpu_system: Duration,
    /// Peak memory in bytes: of the whole task where a memory controller counts it, else the largest
    /// resident size of any one of its processes. `None` where nobody counts.
    pub peak_memory: Option<u64>,
}
