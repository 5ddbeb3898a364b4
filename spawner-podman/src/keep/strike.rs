//! Killing what runs of containers on this host, whatever their engines are doing.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::TaskId;

use super::Charge;

/// The variable that is in the environment of every container's first process, and of what inherited it.
const MARK: &str = "SPAWNER_TASK_ID=";

/// Kills what bears the mark of one of these tasks: the first processes of containers whose harness died before it
/// was told of them.
pub(super) fn strike_marked(charges: &BTreeMap<TaskId, Charge>) -> io::Result<()> {
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if !marked(pid).is_some_and(|task| charges.contains_key(&task)) {
            continue;
        }
        let Some(Ok(pidfd)) = Pid::from_raw(pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            continue;
        };
        // Only after the pidfd is had does the mark say whose it is.
        if marked(pid).is_some_and(|task| charges.contains_key(&task)) {
            send_kill(&pidfd);
        }
    }
    Ok(())
}

/// The task whose mark is in a process's environment.
fn marked(pid: i32) -> Option<TaskId> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = environment.split(|&byte| byte == 0).find_map(|one| one.strip_prefix(MARK.as_bytes()))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn send_kill(pidfd: &std::os::fd::OwnedFd) {
    if let Err(errno) = pidfd_send_signal(pidfd, Signal::KILL) {
        tracing::debug!(%errno, "the engine will have to do it");
    }
}
