//! Linux: what `/proc` says.

use std::fs;

use rustix::process::{Pid, test_kill_process};

use crate::id::TaskId;
use crate::proc::Stat;
pub(crate) use crate::proc::{boot_id as boot, when};

pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = Stat::of(pid.cast_signed()).ok().filter(|stat| !stat.is_dead())?;
    Some(stat.start_time)
}

/// What the mount option `hidepid` keeps from this user.
pub(crate) fn is_hidden(pid: u32) -> bool {
    let there = || {
        Pid::from_raw(pid.cast_signed()).is_some_and(|pid| match test_kill_process(pid) {
            Ok(()) | Err(rustix::io::Errno::PERM) => true,
            Err(_) => false,
        })
    };
    // Looked at in this order: it may have ended after it was not found.
    Stat::of(pid.cast_signed()).is_err() && there() && Stat::of(pid.cast_signed()).is_err()
}

/// The machine id (machine-id(5)) and the host name.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    format!("{}@{}", read("/etc/machine-id"), read("/proc/sys/kernel/hostname"))
}

/// Those in which pids and start times are counted: containers share the kernel, and its boot id.
pub(crate) fn namespaces() -> String {
    let namespace = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
    format!("{} {}", namespace("pid").display(), namespace("time").display())
}

/// The command that kills what bears the mark of a task.
#[allow(clippy::unnecessary_wraps, reason = "one interface for all systems")]
pub(crate) fn remedy(task: TaskId) -> Option<String> {
    Some(format!("kill -KILL $(grep -lsz ^SPAWNER_TASK_ID={task} /proc/[0-9]*/environ | cut -d/ -f3)"))
}
