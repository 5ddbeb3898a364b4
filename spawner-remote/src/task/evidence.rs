//! Turns what was heard of a task into what core judges.

use spawner_core::shell::typed;
use spawner_core::{Evidence, Fate, Mechanism, Resource, ResourceKind, Strength};

use super::live::{Live, Traces};
use crate::lock::lock;
use crate::said::{Member, Proof};

/// Ticks of start times in a second: the same on every Linux (USER_HZ).
const TICKS: i64 = 100;

impl Live {
    /// Everything is gone, by these words.
    pub(super) fn gone(&self, by: &[Proof], fate: Fate) -> Evidence {
        self.see(&[], 0, fate);
        let certain = by.iter().any(|proof| proof.is_certain());
        let strength = if certain { Strength::CannotMiss } else { Strength::MayMiss };
        self.evidence(strength, &[])
    }

    /// So many are there, of whom these were still there to be named.
    pub(super) fn alive(&self, named: &[Member], count: usize) -> Evidence {
        let mut evidence = self.evidence(Strength::CannotMiss, named);
        let more = count.max(1).saturating_sub(named.len());
        if more > 0 {
            let host = &self.traces.address.destination;
            evidence.resources.push(self.unnamed(format!(
                "on {host}: {more} more ran when it was looked at, too many or too short-lived to be named"
            )));
            evidence.total += more;
        }
        evidence
    }

    /// Everyone who was seen, of whom these are left though they should not be. Where none are, whoever calls this knows.
    fn evidence(&self, strength: Strength, alive: &[Member]) -> Evidence {
        let roster = lock(&self.roster);
        let ended = roster.iter().filter_map(|entry| {
            let fate = entry.fate?;
            Some(Resource { fate, ..self.process(&entry.member) })
        });
        let resources: Vec<_> = ended.chain(alive.iter().map(|member| self.survivor(member))).collect();
        Evidence { mechanisms: self.mechanisms(), strength, total: resources.len(), resources, usage: None }
    }

    /// What is known without looking.
    pub(super) fn unseen(&self, why: &str) -> Evidence {
        let roster = lock(&self.roster);
        let host = &self.traces.address.destination;
        let mut resources: Vec<_> = roster
            .iter()
            .map(|entry| match entry.fate {
                Some(fate) => Resource { fate, ..self.process(&entry.member) },
                None => Resource {
                    fate: Fate::Unverified,
                    reason: Some(format!("on {host}, boot {}: {why}", self.traces.boot)),
                    remedy: Some(self.kill(&entry.member)),
                    ..self.process(&entry.member)
                },
            })
            .collect();
        if !resources.iter().any(|resource| resource.fate.is_leftover()) {
            resources.push(self.unnamed(format!("on {host}: {why}")));
        }
        let total = resources.len();
        Evidence { mechanisms: self.mechanisms(), strength: Strength::Blind, total, resources, usage: None }
    }

    /// The task, where nothing finer can be said.
    fn unnamed(&self, why: String) -> Resource {
        Resource {
            kind: ResourceKind::Task,
            id: self.id.to_string(),
            started: None,
            name: None,
            fate: Fate::Unverified,
            reason: Some(why),
            remedy: Some(self.sweep_by_hand()),
        }
    }

    /// Whether what is left cannot be named: only its process group is known, and its main process has ended.
    pub(super) fn is_nameless(&self) -> bool {
        self.has_group_alone() && self.has_ended()
    }

    fn has_group_alone(&self) -> bool {
        self.record.mechanisms.contains(&Mechanism::RemoteSession)
    }

    /// One that runs, and may.
    pub(super) fn running(&self, member: &Member) -> Resource {
        Resource { reason: None, ..self.survivor(member) }
    }

    fn survivor(&self, member: &Member) -> Resource {
        Resource {
            fate: Fate::Survived,
            reason: Some(format!("it is {} on {}", in_words(member.state), self.traces.address.destination)),
            remedy: Some(self.kill(member)),
            ..self.process(member)
        }
    }

    fn process(&self, member: &Member) -> Resource {
        Resource {
            kind: ResourceKind::Process,
            id: member.pid.to_string(),
            started: self.traces.when(member.start),
            name: Some(member.name.clone()),
            fate: Fate::AlreadyGone,
            reason: None,
            remedy: None,
        }
    }

    /// The control group that could not be removed.
    pub(super) fn group(&self) -> Option<Resource> {
        let group = self.traces.group.clone()?;
        Some(Resource {
            kind: ResourceKind::Cgroup,
            remedy: Some(
                self.traces
                    .address
                    .by_hand(&format!("find {} -depth -type d -exec rmdir {{}} +", typed(&group))),
            ),
            id: group,
            started: None,
            name: None,
            fate: Fate::Unverified,
            reason: Some("it could not be removed".to_owned()),
        })
    }

    fn kill(&self, member: &Member) -> String {
        self.traces.address.by_hand(&format!("kill -KILL {}", member.pid))
    }

    fn sweep_by_hand(&self) -> String {
        let id = self.id;
        if let Some(leader) = self.leader().filter(|_| self.has_group_alone()) {
            return self.traces.address.by_hand(&format!("kill -KILL -{}", leader.pid));
        }
        self.traces.address.by_hand(&format!(
            "kill -KILL $(grep -lsz ^SPAWNER_TASK_ID={id} /proc/[0-9]*/environ | cut -d/ -f3)"
        ))
    }
}

impl Traces {
    /// When something started there, by the clock there.
    fn when(&self, start: u64) -> Option<String> {
        if self.came_up == 0 || start == 0 {
            return None;
        }
        let millis = i64::try_from(start).ok()?.checked_mul(1000 / TICKS)?;
        let at = self.came_up.checked_mul(1000)?.checked_add(millis)?;
        jiff::Timestamp::from_millisecond(at).ok().map(|at| format!("{at:.2}"))
    }
}

fn in_words(state: char) -> &'static str {
    match state {
        'R' => "running",
        'S' => "sleeping",
        'D' => "in uninterruptible sleep",
        'T' => "stopped",
        't' => "stopped by a tracer",
        'I' => "idle",
        _ => "there",
    }
}
