//! Who is related to a harness, by `/proc`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::handle::Handle;
use super::look;
use crate::witness::Blow;
use crate::{host, mischief};

/// Processes that are told apart from whoever gets their pids later.
#[derive(Debug)]
pub(crate) struct Herd(Vec<(u32, Handle)>);

/// What a process's `stat` says of its kin.
struct Kin {
    pid: u32,
    parent: u32,
    session: u32,
}

impl Herd {
    /// The living children of `parent` that are no workload.
    pub(crate) fn children(parent: u32) -> Self {
        Self::of(all().iter().filter(|kin| kin.parent == parent).map(|kin| kin.pid), is_helper)
    }

    /// The living descendants of `ancestor` that are no workload, parents first.
    pub(crate) fn descendants(ancestor: u32) -> Self {
        let all = all();
        let mut found = vec![ancestor];
        let mut next = 0;
        while let Some(&parent) = found.get(next) {
            found.extend(all.iter().filter(|kin| kin.parent == parent).map(|kin| kin.pid));
            next += 1;
        }
        Self::of(found.into_iter().skip(1), is_helper)
    }

    /// What is alive in the session `leader`.
    pub(crate) fn session(leader: u32) -> Self {
        Self::of(all().iter().filter(|kin| kin.session == leader).map(|kin| kin.pid), look::is_alive)
    }

    /// What is alive and has the variable `mark` (`NAME=VALUE`) in the environment that it was started with.
    pub(crate) fn marked(mark: &str) -> Self {
        let has = |pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|one| one == mark.as_bytes())
        };
        Self::of(look::entries(Path::new("/proc")).into_iter().filter(has), look::is_alive)
    }

    /// What is alive in a control group.
    pub(crate) fn members(group: &Path) -> Self {
        Self::of(look::members(group).into_iter().map(|living| living.pid), look::is_alive)
    }

    fn of(pids: impl Iterator<Item = u32>, wanted: fn(u32) -> bool) -> Self {
        let open = |pid: u32| {
            let handle = Handle::of(pid).ok()??;
            wanted(pid).then_some((pid, handle))
        };
        Self(pids.filter_map(open).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.0.iter().map(|(pid, _)| *pid).collect()
    }

    /// Has it befall all of them, children first. Fine where one has ended.
    pub(crate) fn suffer(&self, blow: Blow) -> std::io::Result<()> {
        let signal = signal_of(blow);
        for (_, handle) in self.0.iter().rev() {
            handle.signal(signal)?;
        }
        Ok(())
    }
}

/// The signal that is this blow.
pub(crate) fn signal_of(blow: Blow) -> Signal {
    match blow {
        Blow::Kill => Signal::KILL,
        Blow::Stop => Signal::STOP,
        Blow::Continue => Signal::CONT,
    }
}

fn is_helper(pid: u32) -> bool {
    look::is_alive(pid) && !look::carries(pid, mischief::ARGUMENT)
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    all().into_iter().find(|kin| kin.pid == pid).map(|kin| kin.parent)
}

fn all() -> Vec<Kin> {
    let read = |pid: u32| {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let end = stat.iter().rposition(|&byte| byte == b')')?;
        let rest = String::from_utf8_lossy(stat.get(end + 2..)?).into_owned();
        // After the state: the parent, the group, the session.
        let mut fields = rest.split(' ').skip(1);
        let (parent, session) = (fields.next()?.parse().ok()?, fields.nth(1)?.parse().ok()?);
        Some(Kin { pid, parent, session })
    };
    look::entries(Path::new("/proc")).into_iter().filter_map(read).collect()
}

/// The control groups, in every hierarchy, that these processes are in and this one is not.
pub(crate) fn groups_of(pids: impl IntoIterator<Item = u32>) -> BTreeSet<PathBuf> {
    let own = host::groups("self");
    let is_own = |group: &&Path| own.iter().any(|own| own.starts_with(group));
    let groups: Vec<_> = pids.into_iter().flat_map(|pid| host::groups(&pid.to_string())).collect();
    let above = |group: &PathBuf| {
        group.ancestors().take_while(|group| !is_own(group)).map(Path::to_owned).collect::<Vec<_>>()
    };
    groups.iter().flat_map(above).collect()
}
