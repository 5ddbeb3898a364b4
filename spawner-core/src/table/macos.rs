//! macOS: what sysctl(3) says.

use jiff::Timestamp;

use crate::id::TaskId;
use crate::processes::{self, sysctl};

/// Microseconds since 1970, by the clock of that time.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    processes::of(pid).filter(|process| !process.dead).map(|process| process.start_time)
}

/// All are shown to everybody.
pub(crate) fn is_hidden(_: u32) -> bool {
    false
}

/// The id that the kernel gives each boot. The boot time would not do: it moves when the clock is set.
pub(crate) fn boot() -> String {
    sysctl::text(c"kern.bootsessionuuid").unwrap_or_default()
}

pub(crate) fn when(start_time: u64) -> Option<String> {
    let at = Timestamp::from_microsecond(i64::try_from(start_time).ok()?).ok()?;
    Some(format!("{at:.2}"))
}

/// The id of the hardware and the host name.
pub(crate) fn machine() -> String {
    let read = |name| sysctl::text(name).unwrap_or_default();
    format!("{}@{}", read(c"kern.uuid"), read(c"kern.hostname"))
}

/// There is but one.
pub(crate) fn namespaces() -> String {
    String::new()
}

/// The command that kills what bears the mark of a task.
#[allow(clippy::unnecessary_wraps, reason = "one interface for all systems")]
pub(crate) fn remedy(task: TaskId) -> Option<String> {
    // The brackets keep awk from finding itself.
    Some(format!(
        "kill -KILL $(ps -axEww -o pid= -o command= | awk '/[S]PAWNER_TASK_ID={task}/ {{ print $1 }}')"
    ))
}
