//! What is left of a task whose keeper is dead, and whose supervisor too: nobody's any more.
//!
//! It is found by three marks: the control groups, whose names tell the keeper; the variable in the environment
//! of every member that did not clear it; and what is in the session of such a member, or below it in the tree.
//! A member that took off all of them would be missed, so nothing here proves that all is gone; but for a pid
//! namespace, which the kernel ends together with its init.

mod groups;
mod marked;
pub(crate) mod names;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use spawner_core::{Fate, ProcessIdentity, TaskId};

use crate::linux::keeper::survivor;
use crate::linux::tree::Seen;
use crate::linux::words::Member;

use groups::Groups;
pub(crate) use groups::{abandoned, has_others};

/// Kills what bears a task's mark, its kin too; says how many there were.
pub(crate) fn strike_marked(id: TaskId) -> io::Result<usize> {
    let groups = Groups::default();
    let mut seen = marked::find(id, &[])?;
    seen.retain(|member| !member.seen.is_dead());
    let struck = seen.len();
    for member in seen {
        member.signal(id, &groups, &[Signal::KILL]);
    }
    Ok(struck)
}

/// By what a task is found that nobody keeps.
#[derive(Debug, Clone)]
pub(crate) struct Remains {
    pub(crate) id: TaskId,
    /// The keeper that it had. Its groups bear its name.
    pub(crate) keeper: ProcessIdentity,
    /// The control group of its harness.
    pub(crate) parent: Option<PathBuf>,
    /// The init of its pid namespace.
    pub(crate) init: Option<ProcessIdentity>,
}

/// How long what ended may still count in its control group.
const GOING: Duration = Duration::from_millis(200);

/// What was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// What runs.
    pub(crate) alive: Vec<Member>,
    /// Whether the look cannot have missed anything.
    pub(crate) certain: bool,
}

impl Remains {
    /// Kills what is there, and says what was.
    pub(crate) fn strike(&self) -> io::Result<Found> {
        let groups = Groups::of(&self.keeper, self.parent.as_deref());
        // Whom the groups kill first would be told of nobody.
        let seen = self.seen(&groups, &[Signal::KILL]);
        groups.kill();
        Ok(self.found(&seen?, true))
    }

    /// Asks what is there to end.
    pub(crate) fn ask(&self) -> io::Result<()> {
        let groups = Groups::of(&self.keeper, self.parent.as_deref());
        self.seen(&groups, &[Signal::TERM, Signal::CONT]).map(drop)
    }

    /// Looks at what is there.
    pub(crate) fn look(&self, forced: bool) -> io::Result<Found> {
        let groups = Groups::of(&self.keeper, self.parent.as_deref());
        let began = Instant::now();
        let mut found = loop {
            let found = self.found(&self.seen(&groups, &[])?, forced);
            if !found.alive.is_empty() || !groups.are_populated() {
                break found;
            }
            // Something is there that `/proc` does not show; or it is just going.
            if began.elapsed() > GOING {
                return Err(io::Error::other("a control group of it has members that /proc does not show"));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        found.certain &= found.alive.is_empty();
        Ok(found)
    }

    /// Removes the control groups that were made for it; an rmdir that succeeds is the kernel's word that nothing
    /// was in them.
    pub(crate) fn remove_groups(&self) -> Result<(), (PathBuf, io::Error)> {
        Groups::of(&self.keeper, self.parent.as_deref()).remove()
    }

    fn seen(&self, groups: &Groups, signals: &[Signal]) -> io::Result<Vec<Seen>> {
        let mut seen = marked::find(self.id, &groups.pids())?;
        seen.retain(|member| !member.seen.is_dead());
        Ok(seen.into_iter().map(|member| member.signal(self.id, groups, signals)).collect())
    }

    fn found(&self, seen: &[Seen], forced: bool) -> Found {
        let alive = seen.iter().map(|seen| survivor(seen, forced)).collect();
        // The init of a namespace has ended only after everything else in there (pid_namespaces(7)).
        let certain = self.init.as_ref().is_some_and(|init| !init.is_alive());
        Found { alive, certain }
    }

    /// The main process as it was known, for an account in which it is seen no more.
    pub(crate) fn leader(leader: &ProcessIdentity, name: Option<String>, fate: Fate) -> Member {
        Member {
            pid: leader.pid.cast_signed(),
            start_time: Some(leader.start_time),
            name,
            fate,
            reason: None,
            denied: false,
        }
    }
}
