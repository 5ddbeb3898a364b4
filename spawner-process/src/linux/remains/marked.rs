//! Members found by what they bear: the variable, the session, the descent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::TaskId;
use spawner_core::proc::Stat;

use super::Groups;
use crate::linux::tree::Seen;
use crate::unix::MARK;

/// How a member was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// Its environment, or its control group.
    Mark,
    /// It shares its session with one that is marked, or stands below one.
    Kin,
}

/// A process that was found.
#[derive(Debug)]
pub(super) struct Marked {
    pub(super) seen: Seen,
    by: By,
}

/// Everything that runs of a task: who bears its mark or is in its groups, whoever shares a session with such
/// a one (the main process made its session itself, so it has no strangers in it), and all below.
pub(super) fn find(id: TaskId, grouped: &[i32]) -> io::Result<Vec<Marked>> {
    let own = std::process::id().cast_signed();
    let mut all: BTreeMap<i32, Stat> = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>() else { continue };
        if pid != own
            && let Ok(stat) = Stat::of(pid)
        {
            all.insert(pid, stat);
        }
    }
    let by_mark = |(&pid, stat): (&i32, &Stat)| {
        !stat.is_dead() && (grouped.contains(&pid) || bears(pid, id).unwrap_or(false))
    };
    let marks: BTreeSet<i32> = all.iter().filter(|&member| by_mark(member)).map(|(&pid, _)| pid).collect();
    let sessions: BTreeSet<i32> = marks.iter().map(|pid| all[pid].session).filter(|&id| id > 0).collect();
    let mut kin: BTreeSet<i32> = marks.clone();
    kin.extend(all.iter().filter(|(_, stat)| sessions.contains(&stat.session)).map(|(&pid, _)| pid));
    // What is below a member is one; lists are in no order, so it is gone through until nothing is new.
    loop {
        let before = kin.len();
        let below = all.iter().filter(|(_, stat)| kin.contains(&stat.parent)).map(|(&pid, _)| pid);
        let below: Vec<i32> = below.collect();
        kin.extend(below);
        if kin.len() == before {
            break;
        }
    }
    let describe = |pid: i32| {
        let by = if marks.contains(&pid) { By::Mark } else { By::Kin };
        Marked { seen: Seen { pid, stat: all.get(&pid).cloned(), refused: None }, by }
    };
    Ok(kin.into_iter().map(describe).collect())
}

/// Whether the process was executed with the task's mark in its environment.
fn bears(pid: i32, id: TaskId) -> io::Result<bool> {
    let environment = fs::read(format!("/proc/{pid}/environ"))?;
    let mark = format!("{MARK}={id}");
    Ok(environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()))
}

impl Marked {
    /// Signals it through a pidfd, after a check that the pidfd is of the process that was found.
    pub(super) fn signal(mut self, id: TaskId, groups: &Groups, signals: &[Signal]) -> Seen {
        let Some(pid) = Pid::from_raw(self.seen.pid).filter(|_| !signals.is_empty()) else {
            return self.seen;
        };
        let sent = pidfd_open(pid, PidfdFlags::empty()).and_then(|pidfd| {
            let same = Stat::of(self.seen.pid).ok().is_some_and(|now| {
                self.seen.stat.as_ref().is_some_and(|seen| seen.start_time == now.start_time)
            });
            // A start time has the grain of a clock tick; a mark has none.
            let still = match self.by {
                By::Mark => {
                    bears(self.seen.pid, id).unwrap_or(false) || groups.pids().contains(&self.seen.pid)
                }
                By::Kin => true,
            };
            if same && still {
                signals.iter().try_for_each(|&signal| pidfd_send_signal(&pidfd, signal))
            } else {
                Ok(())
            }
        });
        self.seen.refused = sent.err().filter(|&errno| errno != Errno::SRCH);
        self.seen
    }
}
