//! The members of a task that were seen, and what became of each.

use std::collections::BTreeMap;

use spawner_core::{Evidence, Fate};

use crate::linux::tree::Seen;
use crate::linux::words::Member;

/// How far the ending of the task has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Running,
    Asked,
    Forced,
}

impl Phase {
    /// What became of a member that went in this phase.
    pub(super) fn fate(self) -> Fate {
        match self {
            Self::Running => Fate::Exited,
            Self::Asked => Fate::Terminated,
            Self::Forced => Fate::Killed,
        }
    }
}

/// The members that were seen: in full at most [`Evidence::LISTED`], the rest counted.
#[derive(Debug, Default)]
pub(super) struct Roster {
    known: BTreeMap<i32, Entry>,
    most_at_once: usize,
}

#[derive(Debug)]
struct Entry {
    start_time: Option<u64>,
    name: Option<String>,
    fate: Option<Fate>,
    /// The count of the census in which it was last seen.
    census: u32,
}

/// Counts the members that are there at one moment.
#[derive(Debug)]
pub(super) struct Census {
    number: u32,
    pub(super) members: Vec<Member>,
    pub(super) total: usize,
}

impl Census {
    pub(super) fn new(number: u32) -> Self {
        Self { number, members: Vec::new(), total: 0 }
    }

    /// Whether it still takes members in full; if not, only their number counts.
    pub(super) fn wants_details(&self) -> bool {
        self.members.len() < Evidence::LISTED
    }
}

impl Roster {
    /// Enters the main process, which `/proc` may know nothing of.
    pub(super) fn enter_leader(&mut self, pid: i32, start_time: Option<u64>, name: Option<String>) {
        self.known.insert(pid, Entry { start_time, name, fate: None, census: 0 });
        self.most_at_once = self.most_at_once.max(1);
    }

    /// Keeps in mind how many there were, also of those that are not listed.
    pub(super) fn count(&mut self, census: &Census) {
        self.most_at_once = self.most_at_once.max(census.total);
    }

    /// Enters a member that was seen alive.
    pub(super) fn enter(&mut self, census: &mut Census, seen: &Seen) {
        census.total += 1;
        self.count(census);
        if !census.wants_details() {
            return;
        }
        let (start_time, name) = match &seen.stat {
            Some(stat) => (Some(stat.start_time), Some(stat.name.clone())),
            None => (None, None),
        };
        let room = self.known.len() < 2 * Evidence::LISTED;
        match self.known.get_mut(&seen.pid) {
            Some(entry)
                if entry.start_time.is_none() || start_time.is_none() || entry.start_time == start_time =>
            {
                entry.census = census.number;
                entry.fate = None;
                if name.is_some() {
                    entry.name.clone_from(&name);
                }
            }
            None if room => {
                let entry = Entry { start_time, name: name.clone(), fate: None, census: census.number };
                self.known.insert(seen.pid, entry);
            }
            Some(_) | None => {}
        }
        census.members.push(Member {
            pid: seen.pid,
            start_time,
            name,
            fate: Fate::Survived,
            reason: None,
            denied: seen.refused == Some(rustix::io::Errno::PERM),
        });
    }

    /// A child was reaped in `phase`.
    pub(super) fn reaped(&mut self, pid: i32, phase: Phase, killed: bool) {
        if let Some(entry) = self.known.get_mut(&pid) {
            let fate = if phase == Phase::Forced && !killed { Fate::Terminated } else { phase.fate() };
            entry.fate.get_or_insert(fate);
        }
    }

    /// Those that were seen before and are not in this census have gone in `phase`.
    pub(super) fn settle_absent(&mut self, census: &Census, phase: Phase) {
        // A cut census says nothing of those that it does not list.
        if census.total > census.members.len() {
            return;
        }
        for entry in self.known.values_mut().filter(|entry| entry.census != census.number) {
            entry.fate.get_or_insert(phase.fate());
        }
    }

    /// Nothing is left: whoever has no fate yet has gone in `phase`.
    pub(super) fn settle_all(&mut self, phase: Phase) {
        for entry in self.known.values_mut() {
            entry.fate.get_or_insert(phase.fate());
        }
    }

    /// What became of each.
    pub(super) fn list(&self) -> (Vec<Member>, usize) {
        let list = self.known.iter().map(|(&pid, entry)| Member {
            pid,
            start_time: entry.start_time,
            name: entry.name.clone(),
            fate: entry.fate.unwrap_or(Fate::Unverified),
            reason: None,
            denied: false,
        });
        (list.collect(), self.known.len().max(self.most_at_once))
    }
}
