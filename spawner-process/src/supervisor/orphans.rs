//! What the tasks of dead keepers made, and the supervisor inherits.
//!
//! A keeper is a subreaper, so a process falls to the supervisor only when its keeper is dead. Hence every
//! child of the supervisor that is no keeper is a member of a lost task, and is ended.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cgroup::remove_tree;
use crate::keeper::survivor;
use crate::tree;
use crate::words::Orphans;

const BACKOFF: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(500));

#[derive(Default)]
pub(super) struct Orphanage {
    keepers: Vec<i32>,
    /// The folders of dead keepers' groups, and what the groups' names begin with.
    groups: Vec<(PathBuf, String)>,
    due: Option<Instant>,
    backoff: Duration,
    told: bool,
    /// Whether orphans fall to this process.
    subreaper: bool,
}

impl Orphanage {
    /// Says whether orphans fall to this process. If not, nothing that it sees is a proof.
    pub(super) fn set_subreaper(&mut self, subreaper: bool) {
        self.subreaper = subreaper;
    }

    /// Whether what it says of orphans is the kernel's word, and it says that there are none.
    pub(super) fn is_certain(&self) -> bool {
        self.subreaper && self.is_settled()
    }

    /// A keeper died without having said good-bye; `groups` are folders with groups of its task, and what
    /// those groups' names begin with.
    pub(super) fn keeper_died(&mut self, pid: i32, groups: Vec<(PathBuf, String)>) {
        self.keepers.push(pid);
        self.groups.extend(groups);
        self.expect();
    }

    /// A keeper was forked, and lives under a pid that a dead one may have had.
    pub(super) fn keeper_lives(&mut self, pid: i32) {
        self.keepers.retain(|&dead| dead != pid);
    }

    /// Orphans may be there, or come.
    pub(super) fn expect(&mut self) {
        self.due = Some(Instant::now());
        self.backoff = BACKOFF.0;
        self.told = false;
    }

    /// Whether nothing is expected any more.
    pub(super) fn is_settled(&self) -> bool {
        self.due.is_none()
    }

    /// Ends what is there; returns when to look again.
    pub(super) fn tend(&mut self, is_keeper: &dyn Fn(i32) -> bool) -> Option<Duration> {
        let due = self.due?;
        let now = Instant::now();
        if due > now {
            return Some(due - now);
        }
        self.kill_groups();
        let mut alive = 0;
        let mut count = |seen: tree::Seen| alive += usize::from(!seen.is_dead());
        let walked = tree::walk(is_keeper, &[Signal::KILL], &mut count);
        let groups_gone = self.remove_groups();
        let lifeless = walked.is_ok() && alive == 0 && tree::is_lifeless(is_keeper).unwrap_or(false);
        if lifeless && groups_gone {
            self.due = None;
            self.groups.clear();
            return None;
        }
        self.due = Some(now + self.backoff);
        let again = self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF.1);
        Some(again)
    }

    /// The word that nothing is left any more, once.
    pub(super) fn news(&mut self) -> Option<Orphans> {
        if self.due.is_some() || self.told || self.keepers.is_empty() {
            return None;
        }
        self.told = true;
        Some(Orphans { keepers: self.keepers.clone(), alive: Vec::new(), certain: self.subreaper })
    }

    /// What is left now.
    pub(super) fn look(&mut self, is_keeper: &dyn Fn(i32) -> bool) -> Orphans {
        let mut alive = Vec::new();
        let mut note = |seen: tree::Seen| {
            if !seen.is_dead() {
                alive.push(survivor(&seen, true));
            }
        };
        let walked = tree::walk(is_keeper, &[], &mut note);
        let certain = self.subreaper && walked.is_ok() && (!alive.is_empty() || self.is_settled());
        Orphans { keepers: self.keepers.clone(), alive, certain }
    }

    fn dead_groups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for (parent, prefix) in &self.groups {
            let Ok(entries) = std::fs::read_dir(parent) else { continue };
            found.extend(
                entries
                    .flatten()
                    .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
                    .map(|entry| entry.path()),
            );
        }
        found
    }

    fn kill_groups(&self) {
        for group in self.dead_groups() {
            // A group that refuses has its members killed one by one; removing it tells whether any is left.
            // Those of version 1, which carry limits only, have no such file.
            let kill = group.join("cgroup.kill");
            if kill.exists()
                && let Err(error) = std::fs::write(kill, "1")
            {
                tracing::debug!(group = %group.display(), %error, "cannot kill a control group");
            }
        }
    }

    /// Removes the dead keepers' groups; an rmdir that succeeds is the kernel's word that nothing was in it.
    fn remove_groups(&self) -> bool {
        self.dead_groups().iter().all(|group| remove_tree(group).is_ok())
    }
}
