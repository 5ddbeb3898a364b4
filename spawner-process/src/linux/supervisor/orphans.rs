//! What the tasks of dead keepers made, and the supervisor inherits.
//!
//! A keeper is a subreaper, so a process falls to the supervisor only when its keeper is dead. Hence every
//! child of the supervisor that is no keeper is a member of a lost task, and is ended.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::Signal;

use super::owner;
use crate::linux::cgroup::remove_tree;
use crate::linux::keeper::{PATIENCE_WITH_DENIAL, survivor};
use crate::linux::tree;
use crate::linux::words::{Index, Orphan, Orphans, Owner};

const BACKOFF: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(500));

/// Of how many keepers that left by themselves the harness can learn later that they have.
const REMEMBERED: usize = 1024;

#[derive(Default)]
pub(super) struct Orphanage {
    /// Those that died, or that the harness takes for dead.
    keepers: Vec<Index>,
    /// Those that said that they left by themselves.
    left: VecDeque<Index>,
    /// Those that ended, whichever way, since nothing was left the last time.
    suspects: Vec<Index>,
    /// The last part of the name of the harness's control group.
    family: Option<String>,
    /// The folders of ended keepers' groups, and what the groups' names begin with.
    groups: Vec<(PathBuf, String)>,
    due: Option<Instant>,
    backoff: Duration,
    /// Since when nothing is left but what cannot be ended by this process.
    hopeless: Option<Instant>,
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

    /// Says in which group the keepers' groups are.
    pub(super) fn set_family(&mut self, family: Option<String>) {
        self.family = family;
    }

    /// A keeper ended; `groups` are folders with groups of its task, and what those groups' names begin with.
    ///
    /// That it ended `clean`, by itself and with nothing to report, is a word that a task which traces it can
    /// put in its mouth: what is there is looked for all the same.
    pub(super) fn keeper_ended(&mut self, keeper: Index, groups: Vec<(PathBuf, String)>, clean: bool) {
        self.suspect(keeper);
        self.groups.extend(groups);
        self.look_again();
        if clean {
            self.keeper_left(keeper);
        } else {
            self.keepers.push(keeper);
            self.told = false;
        }
    }

    /// A keeper left by itself, and there is nothing to look for.
    pub(super) fn keeper_left(&mut self, keeper: Index) {
        self.left.truncate(REMEMBERED - 1);
        self.left.push_front(keeper);
    }

    /// What is found may be what this keeper kept.
    pub(super) fn suspect(&mut self, keeper: Index) {
        if !self.suspects.contains(&keeper) {
            self.suspects.push(keeper);
        }
    }

    /// The harness takes this keeper for dead. One of another supervisor is never said to be.
    pub(super) fn asked_about(&mut self, keeper: Index) {
        if let Some(at) = self.left.iter().position(|&left| left == keeper) {
            self.left.remove(at);
            self.keepers.push(keeper);
            self.told = false;
        }
    }

    /// Orphans may be there, or come.
    pub(super) fn expect(&mut self) {
        self.look_again();
        self.told = false;
    }

    fn look_again(&mut self) {
        self.due = Some(Instant::now());
        self.backoff = BACKOFF.0;
        self.hopeless = None;
    }

    /// Whether nothing is expected any more.
    pub(super) fn is_settled(&self) -> bool {
        self.due.is_none()
    }

    /// Whether what is left has resisted for long, and is nothing that was killed and only has to go.
    pub(super) fn is_hopeless(&self) -> bool {
        self.hopeless.is_some_and(|since| since.elapsed() > PATIENCE_WITH_DENIAL)
    }

    /// Ends what is there; returns when to look again.
    pub(super) fn tend(&mut self, is_keeper: &dyn Fn(i32) -> bool) -> Option<Duration> {
        let due = self.due?;
        let now = Instant::now();
        if due > now {
            return Some(due - now);
        }
        self.kill_groups();
        let (mut alive, mut denied) = (0, 0);
        let mut count = |seen: tree::Seen| {
            alive += usize::from(!seen.is_dead());
            denied += usize::from(seen.refused == Some(Errno::PERM));
        };
        let walked = tree::walk(is_keeper, &[Signal::KILL], &mut count);
        let groups_gone = self.remove_groups();
        let lifeless = walked.is_ok() && alive == 0 && tree::is_lifeless(is_keeper).unwrap_or(false);
        if lifeless && groups_gone {
            self.due = None;
            self.groups.clear();
            self.suspects.clear();
            return None;
        }
        self.hopeless = if alive == denied { self.hopeless.or(Some(now)) } else { None };
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
                alive.push(Orphan { owner: self.owner(seen.pid), member: survivor(&seen, true) });
            }
        };
        let walked = tree::walk(is_keeper, &[], &mut note);
        let certain = self.subreaper && walked.is_ok() && (!alive.is_empty() || self.is_settled());
        Orphans { keepers: self.keepers.clone(), alive, certain }
    }

    fn owner(&self, pid: i32) -> Owner {
        if let [only] = self.suspects[..] {
            return Owner::Keeper(only);
        }
        let index = self.family.as_ref().and_then(|family| owner::keeper_by_group(pid, family));
        let by_group = index.filter(|index| self.suspects.contains(index));
        match (by_group, owner::task_by_mark(pid)) {
            (Some(keeper), _) => Owner::Keeper(keeper),
            (None, Some(task)) => Owner::Task(task),
            (None, None) => Owner::Unknown,
        }
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
