//! Turns what was seen of a container into what core judges.

use spawner_core::{Fate, ProcessIdentity, Resource, ResourceKind, proc::when};

use crate::local::{Local, Member};

/// A leftover's reason and remedy.
pub(super) struct Leftover {
    pub(super) fate: Fate,
    pub(super) why: String,
    /// The command to type.
    pub(super) remedy: String,
}

impl Leftover {
    /// What was seen to be there.
    pub(super) fn survived(why: &impl ToString, remedy: impl Into<String>) -> Self {
        Self { fate: Fate::Survived, why: why.to_string(), remedy: remedy.into() }
    }

    /// What nobody could look at.
    pub(super) fn unverified(why: &impl ToString, remedy: impl Into<String>) -> Self {
        Self { fate: Fate::Unverified, why: why.to_string(), remedy: remedy.into() }
    }
}

/// A resource that is no process, with its fate or as a leftover.
pub(super) fn thing(kind: ResourceKind, id: impl Into<String>, end: Result<Fate, Leftover>) -> Resource {
    let (fate, reason, remedy) = match end {
        Ok(fate) => (fate, None, None),
        Err(leftover) => (leftover.fate, Some(leftover.why), Some(leftover.remedy)),
    };
    Resource { kind, id: id.into(), started: None, name: None, fate, reason, remedy }
}

/// Everyone who was seen in a container, of whom those in `alive` run still.
pub(super) fn processes(local: &Local, alive: &[Member]) -> (Vec<Resource>, usize) {
    let roster = local.roster();
    let ended = roster.entries().iter().filter_map(|entry| {
        let fate = entry.fate?;
        Some(process(&entry.identity, entry.name.clone(), Ok(fate)))
    });
    let resources: Vec<_> = ended.chain(alive.iter().map(survivor)).collect();
    (resources, roster.total())
}

/// One that runs though it should not.
pub(super) fn survivor(member: &Member) -> Resource {
    let Member { identity, name, state } = member;
    process(identity, Some(name.clone()), Err(Leftover::survived(&format!("it is {state}"), kill(identity))))
}

/// One that runs, and may.
pub(super) fn running(member: &Member) -> Resource {
    Resource { reason: None, ..survivor(member) }
}

/// Who was seen and not seen to end, when nobody can look any more.
pub(super) fn unseen(local: &Local, why: &str) -> Vec<Resource> {
    let roster = local.roster();
    let entries = roster.entries().iter().map(|entry| match entry.fate {
        Some(fate) => process(&entry.identity, entry.name.clone(), Ok(fate)),
        None if !entry.identity.is_alive() => {
            process(&entry.identity, entry.name.clone(), Ok(Fate::AlreadyGone))
        }
        None => {
            let leftover = Leftover::unverified(&why, kill(&entry.identity));
            process(&entry.identity, entry.name.clone(), Err(leftover))
        }
    });
    entries.collect()
}

/// A process that the engine left beside a container.
pub(super) fn shim(shim: &ProcessIdentity) -> Resource {
    let leftover = Leftover::survived(&"it waits for a container that is removed", kill(shim));
    process(shim, Some("the engine's monitor of the container".to_owned()), Err(leftover))
}

fn process(identity: &ProcessIdentity, name: Option<String>, end: Result<Fate, Leftover>) -> Resource {
    Resource {
        started: when(identity.start_time),
        name,
        ..thing(ResourceKind::Process, identity.pid.to_string(), end)
    }
}

fn kill(identity: &ProcessIdentity) -> String {
    let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
    format!("{sudo}kill -KILL {}", identity.pid)
}
