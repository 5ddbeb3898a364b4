//! The process-group mechanism: the task's session, and a walk over the process tree.
//!
//! A member that left the session is missed once its parents have ended, so nothing here is a proof. It is
//! what works where the kernel has neither control groups nor subreapers.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::roster::Phase;
use crate::linux::tree::Seen;
use spawner_core::proc::Stat;

/// What is known of the members, look by look.
pub(super) struct GroupWatch {
    leader: i32,
    system: System,
    /// Members that were seen, by pid, with their start time.
    members: HashMap<i32, u64>,
}

impl GroupWatch {
    pub(super) fn new(leader: i32) -> io::Result<Self> {
        let system = System::new().map_err(|error| io::Error::other(format!("{error:?}")))?;
        Ok(Self { leader, system, members: HashMap::new() })
    }

    /// How soon to look again: nobody tells when a member that is no child ends.
    #[allow(clippy::unused_self)]
    pub(super) fn next_look(&self, leader_ended: bool, phase: Phase) -> Option<Duration> {
        (leader_ended || phase > Phase::Running).then_some(Duration::from_millis(10))
    }

    /// Whether no member was found but the leader, whose zombie is kept.
    pub(super) fn is_empty(&mut self) -> bool {
        self.refresh();
        self.members.keys().all(|&pid| Stat::of(pid).map_or(true, |stat| stat.is_dead()))
    }

    /// Sends each member `signals`, after a check that it is the one that was seen.
    pub(super) fn signal(&mut self, signals: &[Signal], visit: &mut dyn FnMut(Seen)) {
        self.refresh();
        for (&pid, &started) in &self.members {
            let Ok(stat) = Stat::of(pid) else { continue };
            let refused =
                if signals.is_empty() || stat.is_dead() { None } else { self.send(pid, started, signals) };
            visit(Seen { pid, stat: Some(stat), refused });
        }
    }

    fn send(&self, pid: i32, started: u64, signals: &[Signal]) -> Option<Errno> {
        let pid_of = Pid::from_raw(pid)?;
        let sent = if pid == self.leader {
            // An unreaped child: its pid is its own.
            signals.iter().try_for_each(|&signal| kill_process(pid_of, signal))
        } else {
            pidfd_open(pid_of, PidfdFlags::empty()).and_then(|pidfd| {
                if start_of(pid) == Some(started) {
                    signals.iter().try_for_each(|&signal| pidfd_send_signal(&pidfd, signal))
                } else {
                    Ok(())
                }
            })
        };
        sent.err().filter(|&errno| errno != Errno::SRCH)
    }

    /// Finds the members: those of the session, the children of members, and whoever was one before.
    fn refresh(&mut self) {
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
        let processes = self.system.processes();
        let id = |pid: sysinfo::Pid| pid.as_u32().cast_signed();
        self.members.retain(|&pid, started| start_of(pid) == Some(*started));
        loop {
            let before = self.members.len();
            for (&pid, process) in processes {
                if process.thread_kind().is_some() {
                    continue;
                }
                let in_session = process.session_id().is_some_and(|session| id(session) == self.leader);
                let by_parent = process.parent().is_some_and(|parent| self.members.contains_key(&id(parent)));
                let is_member = id(pid) == self.leader || in_session || by_parent;
                if is_member && let Some(started) = start_of(id(pid)) {
                    self.members.entry(id(pid)).or_insert(started);
                }
            }
            if self.members.len() == before {
                return;
            }
        }
    }
}

fn start_of(pid: i32) -> Option<u64> {
    Stat::of(pid).ok().map(|stat| stat.start_time)
}
