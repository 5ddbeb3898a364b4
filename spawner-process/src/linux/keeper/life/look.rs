//! Looking at a task: who is there, and what became of those who were.

use std::io;

use spawner_core::Fate;

use super::{Life, Phase};
use crate::linux::cgroup::Group;
use crate::linux::keeper::orders::survivor;
use crate::linux::keeper::roster::Census;
use crate::linux::tree::{self, Seen};
use crate::linux::words::{Member, Sight};
use spawner_core::proc::Stat;

impl Life {
    pub(in crate::linux::keeper) fn members(&mut self, group: Option<&Group>) -> (Vec<Member>, usize) {
        self.woken = true;
        self.reap();
        let census = self.census(group);
        (census.members, census.total)
    }

    /// Who is there now.
    pub(super) fn census(&mut self, group: Option<&Group>) -> Census {
        // Many members: the group counts them faster than a walk does. What left it is a child of ours.
        let listed = group.filter(|_| self.init.is_none()).and_then(|group| group.pids().ok());
        if let (Some(mut pids), Ok(children)) = (listed, tree::own_children()) {
            pids.extend(children);
            pids.sort_unstable();
            pids.dedup();
            let mut census = self.next_census();
            for pid in pids {
                if !census.wants_details() {
                    census.total += 1;
                    continue;
                }
                let seen = Seen { pid, stat: Stat::of(pid).ok(), refused: None };
                if seen.stat.is_some() && self.counts(&seen) {
                    self.roster.enter(&mut census, &seen);
                }
            }
            self.roster.count(&census);
            return census;
        }
        let seen = self.alive().unwrap_or_default();
        self.enter_all(&seen)
    }

    /// Enters whoever of these is a living member.
    pub(super) fn enter_all(&mut self, seen: &[Seen]) -> Census {
        let mut census = self.next_census();
        for member in seen {
            if self.counts(member) {
                self.roster.enter(&mut census, member);
            }
        }
        census
    }

    fn next_census(&mut self) -> Census {
        self.censuses += 1;
        Census::new(self.censuses)
    }

    /// Whether what was seen is a living member, and not machinery of ours.
    pub(super) fn counts(&self, seen: &Seen) -> bool {
        !seen.is_dead() && self.init.as_ref().is_none_or(|init| init.pid != seen.pid)
    }

    /// The members that a walk over the tree finds alive.
    fn alive(&mut self) -> io::Result<Vec<Seen>> {
        let mut seen = Vec::new();
        self.signal_all(&[], &mut |member| seen.push(member))?;
        seen.retain(|member| self.counts(member));
        Ok(seen)
    }

    /// Looks at what is there, after everything that could be done was done.
    pub(in crate::linux::keeper) fn look(&mut self, group: Option<&Group>) -> io::Result<Sight> {
        self.woken = true;
        self.tend(group);
        let survivors = if self.empty { Vec::new() } else { self.survivors(group)? };
        if !self.empty && survivors.is_empty() && self.only_zombies_are_left(group)? {
            self.empty = true;
            self.roster.settle_all(self.phase);
        }
        if self.empty {
            // A leader that was kept until now has its usage counted.
            self.reap_rest()?;
        }
        let (mut members, total) = self.roster.list();
        members.retain(|member| !survivors.iter().any(|seen| seen.pid == member.pid));
        for member in members.iter_mut().filter(|member| member.fate == Fate::Unverified) {
            // It is not among the living: it went in this phase.
            member.fate = self.phase.fate();
        }
        members.extend(survivors.iter().map(|seen| survivor(seen, self.phase == Phase::Forced)));
        // Something is left, says the kernel: whoever sees nothing has missed it.
        let certain = self.watch.is_none() && (self.empty || !survivors.is_empty());
        let (user, system, max_rss) = self.usage;
        let peak_memory = self.limits.peak_memory().or((max_rss > 0).then_some(max_rss));
        Ok(Sight {
            total: total.max(members.len()),
            members,
            certain,
            user,
            system,
            peak_memory,
            recorded: true,
        })
    }

    /// Who is still there: members in the tree, and whoever else is in the group.
    fn survivors(&mut self, group: Option<&Group>) -> io::Result<Vec<Seen>> {
        let mut survivors = self.alive()?;
        let Some(group) = group else { return Ok(survivors) };
        for pid in group.pids()? {
            if survivors.iter().any(|seen| seen.pid == pid) {
                continue;
            }
            let seen = Seen { pid, stat: Stat::of(pid).ok(), refused: None };
            // What `/proc` does not show has ended, or is hidden: the group knows.
            let there = seen.stat.is_some() || group.pids()?.contains(&pid);
            if there && self.counts(&seen) {
                survivors.push(seen);
            }
        }
        Ok(survivors)
    }

    /// Whether what is left is nothing but zombies that somebody else must reap first: a tracer outside, say.
    /// Nothing of a zombie runs, and it has no children any more.
    fn only_zombies_are_left(&mut self, group: Option<&Group>) -> io::Result<bool> {
        Ok(self.watch.is_none()
            && tree::is_lifeless(&|_| false)?
            && group.map_or(Ok(true), Group::is_empty)?)
    }
}
