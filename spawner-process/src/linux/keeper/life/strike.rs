//! Ending a task: asking its members, and blow after blow.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use spawner_core::AskScope;

use super::{Life, Phase};
use crate::linux::cgroup::Group;
use crate::linux::tree::{self, Seen};

/// How long to wait between two looks while members are being killed. Ends are notified; what is not is
/// that an orphan has fallen to the keeper.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(200));

/// From which backoff on members of a control group take long to end.
const LONG: Duration = Duration::from_millis(64);

/// The next blow of a task that is being ended by force.
pub(super) struct Strike {
    pub(super) due: Instant,
    backoff: Duration,
}

impl Life {
    /// Begins to end every member by force.
    pub(in crate::linux::keeper) fn force(&mut self) {
        if self.phase != Phase::Forced {
            self.before_force = std::mem::replace(&mut self.phase, Phase::Forced);
        }
        if self.strike.is_none() {
            self.strike = Some(Strike { due: Instant::now(), backoff: BACKOFF.0 });
        }
    }

    pub(super) fn strike_now(&mut self, group: Option<&Group>) {
        let began = Instant::now();
        let first = self.strike.as_ref().is_none_or(|strike| strike.backoff == BACKOFF.0);
        if first {
            // Before anybody is killed, who may take others along. Whoever is not there any more went before force was used.
            let census = self.census(group);
            self.roster.settle_absent(&census, self.before_force);
            self.dying = census.total;
        }
        // A group that refuses has its members killed one by one, below.
        let struck = group.map(Group::kill);
        self.group_worn |= struck.is_some();
        let (mut denied, mut seen_alive) = (0, 0);
        // The group's own blow is enough for those in it; a walk would only slow their ends, and has its turn when they are
        // gone or take long.
        let enough =
            matches!(struck, Some(Ok(()))) && !group.is_some_and(|group| group.is_empty().unwrap_or(true));
        let long = self.strike.as_ref().is_some_and(|strike| strike.backoff >= LONG);
        if !enough || long {
            let blow = self.signal_all(&[Signal::KILL], &mut |seen| {
                seen_alive += usize::from(!seen.is_dead());
                denied += usize::from(seen.refused == Some(rustix::io::Errno::PERM));
            });
            self.denied_only = blow.is_ok() && seen_alive > 0 && denied == seen_alive;
        }
        if let Some(strike) = &mut self.strike {
            // A walk over many takes long, and keeps them from dying meanwhile.
            let now = Instant::now();
            strike.due = now + strike.backoff.max(now - began);
            strike.backoff = (strike.backoff * 2).min(BACKOFF.1);
        }
    }

    pub(super) fn signal_all(&mut self, signals: &[Signal], visit: &mut dyn FnMut(Seen)) -> io::Result<()> {
        match &mut self.watch {
            Some(watch) => {
                watch.signal(signals, visit);
                Ok(())
            }
            None => tree::walk(&|_| false, signals, visit),
        }
    }

    /// Asks the members to end; stopped ones are continued, so that they hear it.
    pub(in crate::linux::keeper) fn ask(&mut self, scope: AskScope) -> io::Result<()> {
        self.phase = self.phase.max(Phase::Asked);
        match scope {
            AskScope::Leader => {
                self.signal_leader(Signal::TERM)?;
                self.signal_leader(Signal::CONT)
            }
            AskScope::All => {
                let mut seen = Vec::new();
                self.signal_all(&[Signal::TERM, Signal::CONT], &mut |member| seen.push(member))?;
                self.enter_all(&seen);
                Ok(())
            }
        }
    }

    /// Signals the main process, and nobody else, should its pid be another's by now.
    pub(in crate::linux::keeper) fn signal_leader(&self, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::pidfd_send_signal(&self.leader.pidfd, signal)?)
    }
}
