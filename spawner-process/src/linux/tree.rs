//! The tree below a subreaper: who is in it, and how to signal its members and nobody else.

use std::collections::VecDeque;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use crate::linux::children;
use spawner_core::proc::{self, Stat};

/// A process of the tree, as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) pid: i32,
    /// `None` where `/proc` hides it (`hidepid`).
    pub(crate) stat: Option<Stat>,
    /// The error of the signal that it was sent, where one was to be sent and it failed.
    pub(crate) refused: Option<Errno>,
}

impl Seen {
    /// Whether it is certain that nothing of it runs.
    pub(crate) fn is_dead(&self) -> bool {
        self.stat.as_ref().is_some_and(Stat::is_dead)
    }
}

/// The children of this process. Complete: only this process removes children from its list, by reaping,
/// and it is not reaping now; so proc(5)'s warning about lists that shrink while they are read does not
/// apply.
pub(crate) fn own_children() -> io::Result<Vec<i32>> {
    let own = std::process::id().cast_signed();
    match children::of(own, 1) {
        Err(error) if proc::gone(&error) => children::by_walk(own),
        other => other,
    }
}

/// Whether nothing runs below this process, but for the children that `skip` names and what is below those.
///
/// A walk that finds nobody alive does not show it: a child may have had another one, and ended, after the
/// list was read. But what is dead has no children, they have fallen to this process before: so if every
/// child of a list was seen dead, and the list is the same after that, nobody is missed.
pub(crate) fn is_lifeless(skip: &dyn Fn(i32) -> bool) -> io::Result<bool> {
    let before = own_children()?;
    let dead = |&pid: &i32| skip(pid) || Stat::of(pid).is_ok_and(|stat| stat.is_dead());
    Ok(before.iter().all(dead) && own_children()? == before)
}

/// Walks the tree below this process, without the children that `skip` names, from the top down, and sends
/// each member `signals`, in their order. Calls `visit` for each.
///
/// A direct child has not been reaped, so its pid is its own. Another member is signalled through a pidfd,
/// after a check that the pidfd is of the member: that its parent is still the process in whose list of
/// children it stood, or that this process is among its ancestors still.
pub(crate) fn walk(
    skip: &dyn Fn(i32) -> bool,
    signals: &[Signal],
    visit: &mut dyn FnMut(Seen),
) -> io::Result<()> {
    let own = std::process::id().cast_signed();
    let mut queue: VecDeque<Node> = VecDeque::new();
    for pid in own_children()? {
        if !skip(pid) {
            queue.push_back(Node { pid, parent: None });
        }
    }
    while let Some(node) = queue.pop_front() {
        let stat = match Stat::of(node.pid) {
            Ok(stat) => Some(stat),
            // A direct child that /proc hides is signalled all the same.
            Err(_) if node.parent.is_none() => None,
            Err(_) => continue,
        };
        if let Some(stat) = &stat {
            if !node.belongs(stat, own) {
                continue;
            }
            // Where the list cannot be read the children are orphans soon, and seen then.
            if let Ok(children) = children_of(node.pid, stat) {
                let parent = (node.pid, stat.start_time);
                queue.extend(children.into_iter().map(|pid| Node { pid, parent: Some(parent) }));
            }
        }
        let dead = stat.as_ref().is_some_and(Stat::is_dead);
        let refused = if signals.is_empty() || dead { None } else { node.signal(signals, own).err() };
        visit(Seen { pid: node.pid, stat, refused });
    }
    Ok(())
}

fn children_of(pid: i32, stat: &Stat) -> io::Result<Vec<i32>> {
    if stat.is_dead() { Ok(Vec::new()) } else { children::of(pid, stat.threads) }
}

/// Whether `own` is among the ancestors. An ancestor is never younger than its descendants, so a process that
/// got the pid of one that ended just now is not taken for it. `None` where an ancestor ended on the way up:
/// its children have another parent now, and only a new climb tells.
fn descends(stat: &Stat, own: i32) -> Option<bool> {
    let mut stat = stat.clone();
    while stat.parent > 1 {
        if stat.parent == own {
            return Some(true);
        }
        stat = Stat::of(stat.parent).ok().filter(|parent| parent.start_time <= stat.start_time)?;
    }
    Some(false)
}

struct Node {
    pid: i32,
    /// Pid and start time of the process in whose list of children it stood; `None` is this process.
    parent: Option<(i32, u64)>,
}

/// How often a climb that lost its way is begun again: each time takes an ancestor that ended meanwhile.
const CLIMBS: u32 = 64;

impl Node {
    /// Whether the process is the one that was listed, still below this process.
    fn belongs(&self, stat: &Stat, own: i32) -> bool {
        let Some((parent, start_time)) = self.parent else { return true };
        let is_parent = || Stat::of(parent).is_ok_and(|parent| parent.start_time == start_time);
        if stat.parent == parent && is_parent() {
            return true;
        }
        // Its parent has ended since, and it has fallen to this process, or to a nearer subreaper or init.
        let mut now = stat.clone();
        for _ in 0..CLIMBS {
            if let Some(answer) = descends(&now, own) {
                return answer;
            }
            match Stat::of(self.pid) {
                Ok(again) if again.start_time == stat.start_time => now = again,
                _ => return false,
            }
        }
        false
    }

    fn signal(&self, signals: &[Signal], own: i32) -> Result<(), Errno> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let sent = if self.parent.is_none() {
            signals.iter().try_for_each(|&signal| kill_process(pid, signal))
        } else {
            pidfd_open(pid, PidfdFlags::empty()).and_then(|pidfd| match Stat::of(self.pid) {
                Ok(stat) if self.belongs(&stat, own) => {
                    signals.iter().try_for_each(|&signal| pidfd_send_signal(&pidfd, signal))
                }
                _ => Ok(()),
            })
        };
        match sent {
            Err(Errno::SRCH) => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_member_whose_parent_ended_while_it_was_looked_at_still_belongs() {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
        let own = std::process::id().cast_signed();
        let script = "sleep 60 >/dev/null & echo $!; read line";
        let mut parent = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid: i32 = line.trim().parse().unwrap();
        let seen = Stat::of(pid).unwrap();
        let listed_by = parent.id().cast_signed();
        assert_eq!(seen.parent, listed_by);
        let node = Node { pid, parent: Some((listed_by, Stat::of(listed_by).unwrap().start_time)) };
        drop(parent.stdin.take());
        parent.wait().unwrap();

        assert!(node.belongs(&seen, own), "taken for a stranger by what was read before its parent ended");
        node.signal(&[Signal::KILL], own).unwrap();
        rustix::process::waitpid(Pid::from_raw(pid), rustix::process::WaitOptions::empty()).unwrap();
    }
}
