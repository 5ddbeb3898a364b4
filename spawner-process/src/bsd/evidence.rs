//! Turns what was seen of members into what core judges.

use spawner_core::processes::Entry;
use spawner_core::{Fate, ProcessIdentity, Resource, ResourceKind};

use super::herd::{Herd, Key, Member, key};

/// Everything that was ever seen of a task, `living` being what runs of it now.
pub(super) fn of_herd(herd: &Herd, living: &[Entry], forced: bool) -> Vec<Resource> {
    let describe = |(own, member): (Key, &Member)| {
        let alive = living.iter().find(|entry| key(entry) == own);
        let fate = if alive.is_some() { Fate::Survived } else { member.fate.unwrap_or(Fate::Unverified) };
        let reason = alive.map(|entry| reason(member, entry, forced));
        resource(own, member, fate, reason)
    };
    herd.members().map(describe).collect()
}

/// What runs now, for a list of what was left behind.
pub(super) fn of_living(herd: &Herd, living: &[Entry]) -> Vec<Resource> {
    of_herd(herd, living, false).into_iter().filter(|resource| resource.fate == Fate::Survived).collect()
}

/// The same without a look: what was not seen to be gone is not known.
pub(super) fn unverified(herd: &Herd, why: &str) -> Vec<Resource> {
    let describe = |(own, member): (Key, &Member)| match member.fate {
        Some(fate) => resource(own, member, fate, None),
        None => resource(own, member, Fate::Unverified, Some(why.to_owned())),
    };
    herd.members().map(describe).collect()
}

fn reason(member: &Member, entry: &Entry, forced: bool) -> String {
    if member.denied {
        return "this account may not signal it: EPERM".to_owned();
    }
    let state = if entry.stopped { "stopped" } else { "running" };
    match (member.struck, forced) {
        (true, _) => format!("SIGKILL was sent, and it is {state} still"),
        (false, true) => format!("it appeared after the others were killed, and is {state}"),
        (false, false) => format!("it is {state}"),
    }
}

fn resource((pid, start_time): Key, member: &Member, fate: Fate, reason: Option<String>) -> Resource {
    let identity = ProcessIdentity { boot_id: ProcessIdentity::boot(), pid, start_time };
    let kill = if member.denied { "sudo kill -KILL" } else { "kill -KILL" };
    Resource {
        kind: ResourceKind::Process,
        id: pid.to_string(),
        started: identity.started_at(),
        name: Some(member.name.clone()).filter(|name| !name.is_empty()),
        fate,
        reason,
        remedy: fate.is_leftover().then(|| format!("{kill} {pid}")),
    }
}
