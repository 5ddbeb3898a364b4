//! Turns what keepers saw into what core judges.

use spawner_core::{Evidence, Fate, Mechanism, Resource, ResourceKind, Strength, Usage};

use crate::linux::words::{Member, Sight};
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

/// Whether the look of a mechanism that cannot miss a member proved nothing, and names nobody either. A process group can
/// always be escaped: what it does not see is not its to say.
pub(super) fn is_unnamed(evidence: &Evidence) -> bool {
    evidence.strength == Strength::MayMiss
        && !evidence.mechanisms.contains(&Mechanism::ProcessGroup)
        && !evidence.resources.iter().any(|resource| resource.fate.is_leftover())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(certain: bool, fate: Fate) -> Sight {
        let gone = Member { pid: 7, start_time: None, name: None, fate, reason: None, denied: false };
        let none = std::time::Duration::ZERO;
        let members = vec![gone];
        Sight { members, total: 1, certain, user: none, system: none, peak_memory: None, recorded: false }
    }

    #[test]
    fn what_proves_nothing_and_names_nobody_is_seen_as_that() {
        let unnamed = |certain, fate, mechanism| is_unnamed(&of_sight(&sight(certain, fate), &[mechanism]));
        assert!(unnamed(false, Fate::Killed, Mechanism::Subreaper));
        assert!(!unnamed(true, Fate::Killed, Mechanism::Subreaper), "it is proved gone");
        assert!(!unnamed(false, Fate::Survived, Mechanism::Subreaper), "who is left has a name");
        assert!(!unnamed(false, Fate::Killed, Mechanism::ProcessGroup), "it never proves anything");
    }
}
