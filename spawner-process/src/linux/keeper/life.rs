//! The life of one task, as its keeper sees it.

mod look;
mod strike;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::group_watch::GroupWatch;
use super::init::Init;
use super::roster::{Phase, Roster};
use crate::linux::cgroup::{Group, LimitGroups};
use crate::linux::sys::{self, Reap, Reaped};
use crate::linux::words::Ended;
use strike::Strike;

/// From how many on those who die are reaped by the batch: each who is reaped at once has the keeper run in between, on
/// the processors on which the others are to die.
const CROWD: usize = 64;

pub(super) struct Life {
    leader: Leader,
    /// Where the mechanism is a pid namespace: its init, the keeper's only child of this task at first.
    init: Option<Init>,
    /// Where the mechanism is the process group.
    watch: Option<GroupWatch>,
    limits: LimitGroups,
    roster: Roster,
    censuses: u32,
    phase: Phase,
    /// The phase in which force was begun.
    before_force: Phase,
    usage: (Duration, Duration, u64),
    /// Whether a child may have ended since the last look.
    woken: bool,
    childless: bool,
    empty: bool,
    denied_only: bool,
    strike: Option<Strike>,
    /// How many were there at the first blow and have not been reaped since.
    dying: usize,
    /// Whether the control group is no other task's: it was killed (see `birth::bear`), or marked.
    group_worn: bool,
    /// The main process's end, until it is told.
    end: Option<Ended>,
}

struct Leader {
    pid: i32,
    pidfd: OwnedFd,
    ended: bool,
}

/// What a birth gives to a life.
pub(super) struct Newborn {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) start_time: Option<u64>,
    pub(super) name: Option<String>,
    pub(super) init: Option<Init>,
    pub(super) watch: Option<GroupWatch>,
    pub(super) limits: LimitGroups,
}

impl Life {
    pub(super) fn new(newborn: Newborn) -> Self {
        let mut roster = Roster::default();
        roster.enter_leader(newborn.pid, newborn.start_time, newborn.name);
        Self {
            leader: Leader { pid: newborn.pid, pidfd: newborn.pidfd, ended: false },
            init: newborn.init,
            watch: newborn.watch,
            limits: newborn.limits,
            roster,
            censuses: 0,
            phase: Phase::Running,
            before_force: Phase::Running,
            usage: Default::default(),
            woken: true,
            childless: false,
            empty: false,
            denied_only: false,
            strike: None,
            dying: 0,
            group_worn: false,
            end: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }

    pub(super) fn only_denied_are_left(&self) -> bool {
        self.denied_only
    }

    /// Whether a change of the control group is worth waking up for: only it can say what is missing.
    pub(super) fn awaits_group(&self) -> bool {
        !self.empty && (self.childless || self.strike.is_some())
    }

    /// Whether so many are dying that nobody needs to hear of each. A control group tells of the last one all the same.
    pub(super) fn is_crowd_dying(&self) -> bool {
        self.strike.is_some() && self.dying > CROWD && self.init.is_none() && self.watch.is_none()
    }

    /// Readable when the init of a namespace has something to report.
    pub(super) fn reports(&self) -> Option<BorrowedFd<'_>> {
        self.init.as_ref().filter(|_| !self.leader.ended).and_then(Init::reports)
    }

    /// Notes that a child may have ended.
    pub(super) fn wake(&mut self, child: bool) {
        self.woken |= child;
    }

    /// Hears of a change of the control group, which would be told again and again before it is looked at: that comes next
    /// where there is no child.
    pub(super) fn group_changed(&self, group: &Group) {
        if !self.childless
            && let Err(error) = group.is_empty()
        {
            tracing::debug!(%error, "a control group cannot be read");
        }
    }

    /// The main process's end, once.
    pub(super) fn take_end(&mut self) -> Option<Ended> {
        self.end.take()
    }

    /// Reaps, strikes where a blow is due, and sees whether anything is left. Returns when to do so again at
    /// the latest.
    pub(super) fn tend(&mut self, group: Option<&Group>) -> Option<Duration> {
        if self.empty {
            return None;
        }
        self.reap();
        if self.strike.as_ref().is_some_and(|strike| strike.due <= Instant::now()) && !self.looks_empty(group)
        {
            self.strike_now(group);
            self.woken = true;
            self.reap();
        }
        if self.looks_empty(group) {
            self.empty = true;
            self.strike = None;
            self.roster.settle_all(self.phase);
            return None;
        }
        match (&self.strike, &self.watch) {
            (Some(strike), _) => Some(strike.due.saturating_duration_since(Instant::now())),
            (None, Some(watch)) => watch.next_look(self.leader.ended, self.phase),
            (None, None) => None,
        }
    }

    fn looks_empty(&mut self, group: Option<&Group>) -> bool {
        if let Some(watch) = &mut self.watch {
            return self.leader.ended && watch.is_empty();
        }
        // A group that cannot be read proves nothing.
        self.childless && group.is_none_or(|group| group.is_empty().unwrap_or(false))
    }

    fn reap(&mut self) {
        if self.watch.is_some() {
            return self.reap_leader_only();
        }
        if let Some(report) = self.init.as_mut().and_then(Init::report) {
            self.usage_of(&report);
            self.leader_ended(report.status);
        }
        if !std::mem::take(&mut self.woken) {
            return;
        }
        loop {
            match sys::reap(None) {
                Ok(Reap::One(child)) => self.reaped(child),
                Ok(Reap::Childless) => {
                    self.childless = true;
                    return;
                }
                Ok(Reap::NoneYet) | Err(_) => {
                    self.childless = false;
                    return;
                }
            }
        }
    }

    /// Without a subreaper the leader is the only child; it stays unreaped, so that nobody else gets its
    /// pid, its group or its session.
    fn reap_leader_only(&mut self) {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        if self.leader.ended || !std::mem::take(&mut self.woken) {
            return;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let Some(pid) = rustix::process::Pid::from_raw(self.leader.pid) else { return };
        if let Ok(Some(status)) = waitid(WaitId::Pid(pid), options) {
            let raw = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => code << 8,
                (None, Some(signal)) => signal | if status.dumped() { 0x80 } else { 0 },
                (None, None) => return,
            };
            self.leader_ended(raw);
        }
    }

    fn reaped(&mut self, child: Reaped) {
        let killed = sys::decode(child.status).is_err_and(|(signal, _)| signal == libc::SIGKILL);
        self.roster.reaped(child.pid, self.phase, killed);
        self.dying = self.dying.saturating_sub(1);
        let init_ended = self.init.as_ref().is_some_and(|init| init.pid == child.pid);
        if self.init.is_none() || init_ended {
            // The usage of a namespace's init includes that of all its children.
            self.usage_of(&child);
        }
        if child.pid == self.leader.pid || (init_ended && !self.leader.ended) {
            self.leader_ended(child.status);
        }
    }

    fn usage_of(&mut self, child: &Reaped) {
        if self.init.is_some() && child.pid == self.leader.pid {
            // It counts again with its init.
            self.usage.2 = self.usage.2.max(child.max_rss);
            return;
        }
        self.usage.0 += child.user;
        self.usage.1 += child.system;
        self.usage.2 = self.usage.2.max(child.max_rss);
    }

    fn leader_ended(&mut self, status: i32) {
        if std::mem::replace(&mut self.leader.ended, true) {
            return;
        }
        let killed = sys::decode(status).is_err_and(|(signal, _)| signal == libc::SIGKILL);
        self.roster.reaped(self.leader.pid, self.phase, killed);
        let out_of_memory = killed && self.limits.oom_kills() > 0;
        self.end = Some(Ended { status, out_of_memory });
    }

    /// Removes the groups that held the task's limits.
    pub(super) fn remove_limits(&mut self) -> io::Result<()> {
        self.limits.remove()
    }

    /// Has the version 2 group be no other task's: it tells of this one.
    pub(super) fn wear_out_group(&mut self) {
        self.group_worn = true;
    }

    /// Whether the version 2 group carries a limit of this task, or has been killed.
    pub(super) fn used_up_group(&self) -> bool {
        self.group_worn || self.limits.mark_v2()
    }

    /// Lets the leader go that was kept unreaped.
    pub(super) fn reap_rest(&mut self) -> io::Result<()> {
        while self.watch.is_some() {
            match sys::reap(Some(self.leader.pid))? {
                Reap::One(child) => self.usage_of(&child),
                Reap::NoneYet | Reap::Childless => return Ok(()),
            }
        }
        Ok(())
    }
}
