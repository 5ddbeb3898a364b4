//! FreeBSD: what sysctl(3) says.

use jiff::Timestamp;

use crate::id::TaskId;
use crate::processes::{self, sysctl};

/// Microseconds since the machine came up.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    processes::of(pid).filter(|process| !process.dead).map(|process| process.start_time)
}

/// What `security.bsd.see_other_uids` hides cannot be asked for by a signal either.
pub(crate) fn is_hidden(_: u32) -> bool {
    false
}

/// The id that the kernel gives each boot, of 16 bytes; empty before FreeBSD 13, which has none. The boot time would not
/// do: it moves when the clock is set, and what ran before that would look as if it had ended with the machine.
pub(crate) fn boot() -> String {
    let id = sysctl::named(c"kern.boot_id").unwrap_or_default();
    if id.iter().all(|&byte| byte == 0) {
        return String::new();
    }
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn when(start_time: u64) -> Option<String> {
    let micros = processes::boot_time().ok()?.checked_add(start_time)?;
    let at = Timestamp::from_microsecond(i64::try_from(micros).ok()?).ok()?;
    Some(format!("{at:.2}"))
}

/// The host's id and name; a jail may have both of its own.
pub(crate) fn machine() -> String {
    let read = |name| sysctl::text(name).unwrap_or_default();
    format!("{}@{}", read(c"kern.hostuuid"), read(c"kern.hostname"))
}

/// Whether it is a jail: processes outside of it are not seen from within.
pub(crate) fn namespaces() -> String {
    match sysctl::named(c"security.jail.jailed").as_deref() {
        Ok([0, 0, 0, 0]) => String::new(),
        _ => "a jail".to_owned(),
    }
}

/// The command that kills what bears the mark of a task.
#[allow(clippy::unnecessary_wraps, reason = "one interface for all systems")]
pub(crate) fn remedy(task: TaskId) -> Option<String> {
    // The brackets keep awk from finding itself.
    Some(format!(
        "kill -KILL $(ps -axeww -o pid= -o command= | awk '/[S]PAWNER_TASK_ID={task}/ {{ print $1 }}')"
    ))
}
