//! Identities. A bare pid is never one: it is reused.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::table;

/// The name of one task: 16 hexadecimal digits, random, unique for all practical purposes.
///
/// ```
/// use spawner_core::TaskId;
///
/// let id = TaskId::random();
/// assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TaskId(u64);

impl TaskId {
    /// A fresh id from the operating system's random numbers.
    ///
    /// # Panics
    ///
    /// Where the operating system has no random numbers to give, which no supported one does.
    pub fn random() -> Self {
        // UNWRAP: getrandom(2) cannot fail for 8 bytes once the pool is ready.
        Self(random().expect("the operating system gives random numbers"))
    }
}

/// One system call. The crate `getrandom` makes five of it in a program that is linked statically, as ours is.
#[cfg(target_os = "linux")]
fn random() -> Option<u64> {
    let mut bytes = [0; 8];
    let read = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).ok()?;
    (read == bytes.len()).then(|| u64::from_ne_bytes(bytes))
}

#[cfg(not(target_os = "linux"))]
fn random() -> Option<u64> {
    getrandom::u64().ok()
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for TaskId {
    type Error = BadTaskId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for TaskId {
    type Err = BadTaskId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return Err(BadTaskId(text.to_owned()));
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| BadTaskId(text.to_owned()))
    }
}

/// A text that is not a task id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTaskId(String);

impl fmt::Display for BadTaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a task id, which has 16 hexadecimal digits", self.0)
    }
}

impl std::error::Error for BadTaskId {}

/// One process, told apart from every other that ever had its pid.
///
/// On Linux, the start time is what `/proc/PID/stat` gives in field 22 (proc_pid_stat(5)): clock ticks since the
/// machine came up, hence the boot id beside it. On Windows, it is the time of creation that GetProcessTimes gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ProcessIdentity {
    /// What names the boot, see [`ProcessIdentity::boot`]; empty where the platform has none.
    pub boot_id: String,
    /// The process id, as the harness sees it.
    pub pid: u32,
    /// When it started, in the platform's own unit: on Linux, clock ticks since boot; on Windows, 100 ns since 1601; on
    /// macOS, microseconds since 1970; on FreeBSD, microseconds since boot.
    pub start_time: u64,
}

impl ProcessIdentity {
    /// The process with this pid now; `None` where there is none, or nothing of it runs any more (a zombie).
    /// Platforms without a way to ask have `None` for every process.
    pub fn of(pid: u32) -> Option<Self> {
        let start_time = table::start_time(pid)?;
        Some(Self { boot_id: Self::boot(), pid, start_time })
    }

    /// This process.
    pub fn own() -> Self {
        // A fork is another process, so what is known is looked at again.
        static OWN: Mutex<Option<ProcessIdentity>> = Mutex::new(None);
        let pid = std::process::id();
        let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        match own.as_ref() {
            Some(known) if known.pid == pid => known.clone(),
            _ => {
                let found = Self::of(pid).unwrap_or(Self { boot_id: Self::boot(), pid, start_time: 0 });
                own.insert(found).clone()
            }
        }
    }

    /// Whether it runs, be it stopped; a process that got its pid later is another one. One that is there and
    /// that the system does not show to this user (`hidepid` of `/proc`; access denied on Windows) counts as alive,
    /// since nobody can tell that it is another.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid)
            .map_or_else(|| self.boot_id == Self::boot() && table::is_hidden(self.pid), |now| now == *self)
    }

    /// When it started, as RFC 3339, where the platform's unit is understood and the boot is this one.
    pub fn started_at(&self) -> Option<String> {
        if self.boot_id == Self::boot() { table::when(self.start_time) } else { None }
    }

    /// What names this boot: the kernel's id on Linux, the number of the boot on Windows. It stays the same until the
    /// machine goes down, however the clock is set; empty where the platform has none.
    pub fn boot() -> String {
        static BOOT: OnceLock<String> = OnceLock::new();
        BOOT.get_or_init(table::boot).clone()
    }
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_id_is_sixteen_hexadecimal_digits_and_nothing_else() {
        assert!("deadbeefdeadbeef".parse::<TaskId>().is_ok());
        for bad in ["", "deadbeef", "+eadbeefdeadbeef", "deadbeefdeadbeeg", "deadbeefdeadbeef0"] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
        }
    }
}
