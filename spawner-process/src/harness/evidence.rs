//! Turns what keepers saw into what core judges.

use spawner_core::{Evidence, Fate, Mechanism, Resource, ResourceKind, Strength, Usage};

use crate::words::{Member, Sight};
use spawner_core::proc::when;

/// The evidence that a keeper's look gives.
pub(crate) fn of_sight(sight: &Sight, mechanisms: &[Mechanism]) -> Evidence {
    Evidence {
        mechanisms: mechanisms.to_vec(),
        strength: if sight.certain { Strength::CannotMiss } else { Strength::MayMiss },
        resources: sight.members.iter().map(resource).collect(),
        total: sight.total,
        usage: Some(Usage { cpu_user: sight.user, cpu_system: sight.system, peak_memory: sight.peak_memory }),
    }
}

/// One process, as a resource.
pub(crate) fn resource(member: &Member) -> Resource {
    let leftover = member.fate.is_leftover();
    let kill = if member.denied { "sudo kill -KILL" } else { "kill -KILL" };
    Resource {
        kind: ResourceKind::Process,
        id: member.pid.to_string(),
        started: member.start_time.and_then(when),
        name: member.name.clone(),
        fate: member.fate,
        reason: member.reason.clone(),
        remedy: leftover.then(|| format!("{kill} {}", member.pid)),
    }
}

/// The same without a look: nothing is known of it.
pub(crate) fn unverified(member: &Member, why: &str) -> Resource {
    resource(&Member { fate: Fate::Unverified, reason: Some(why.to_owned()), ..member.clone() })
}
