//! Who is related to a harness.

use std::io;

use super::super::Blow;
use super::is_the_system_s;
use crate::mischief;
use crate::win::job::Job;
use crate::win::process::Process;
use crate::win::snapshot::{self, Entry};

/// Processes that are told apart from whoever gets their pids later.
#[derive(Debug)]
pub(crate) struct Herd(Vec<Process>);

impl Herd {
    /// The living children of `parent` that are no workload.
    pub(crate) fn children(parent: u32) -> Self {
        Self(children(&snapshot::take().unwrap_or_default(), parent))
    }

    /// The living descendants of `ancestor` that are no workload, parents first.
    pub(crate) fn descendants(ancestor: u32) -> Self {
        let all = snapshot::take().unwrap_or_default();
        let mut found = children(&all, ancestor);
        let mut next = 0;
        while let Some(parent) = found.get(next).map(Process::pid) {
            found.extend(children(&all, parent));
            next += 1;
        }
        Self(found)
    }

    /// What is alive in a job.
    pub(crate) fn members(job: &Job) -> io::Result<Self> {
        let open = |pid| Process::open(pid).ok().flatten().filter(Process::is_alive);
        Ok(Self(job.pids()?.into_iter().filter_map(open).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.0.iter().map(Process::pid).collect()
    }

    /// Has it befall all of them, children first. Fine where one has ended.
    pub(crate) fn suffer(&self, blow: Blow) -> io::Result<()> {
        self.0.iter().rev().try_for_each(|process| strike(process, blow))
    }
}

/// Has it befall one process. Fine where it has ended.
pub(crate) fn strike(process: &Process, blow: Blow) -> io::Result<()> {
    let struck = match blow {
        Blow::Kill => process.kill(),
        Blow::Stop => process.suspend(),
        Blow::Continue => process.resume(),
    };
    if process.is_alive() { struck } else { Ok(()) }
}

/// The living children of a living parent that are no workload. Who has that parent's number for one that ended
/// before is older than it.
fn children(all: &[Entry], parent: u32) -> Vec<Process> {
    let Some(since) = Process::open(parent).ok().flatten().and_then(|parent| parent.created().ok()) else {
        return Vec::new();
    };
    let open = |entry: &Entry| {
        let process = Process::open(entry.pid).ok()??;
        let younger = process.created().is_ok_and(|created| created >= since);
        let workload = process.command_line().is_ok_and(|line| line.contains(mischief::ARGUMENT));
        (younger && !workload && process.is_alive()).then_some(process)
    };
    let own = |entry: &&Entry| entry.parent == parent && entry.pid != parent && !is_the_system_s(&entry.name);
    all.iter().filter(own).filter_map(open).collect()
}
