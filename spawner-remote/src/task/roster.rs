//! Who was seen of one task, and what became of them.

use spawner_core::{Evidence, Fate};

use crate::said::Member;

/// One process that was seen.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) member: Member,
    /// What became of it, once it was not seen any more.
    pub(super) fate: Option<Fate>,
}

/// These run now, of so many; who ran before and does not came to this end. Where not all are named, nobody is known to have
/// ended.
pub(super) fn note(roster: &mut Vec<Entry>, alive: &[Member], count: usize, fate: Fate) {
    for entry in roster.iter_mut().filter(|entry| entry.fate.is_none()) {
        match alive.iter().find(|member| is_same(member, &entry.member)) {
            Some(member) => entry.member.clone_from(member),
            None if alive.len() < count => {}
            None => entry.fate = Some(fate),
        }
    }
    for member in alive {
        if roster.len() < Evidence::LISTED && !roster.iter().any(|entry| is_same(member, &entry.member)) {
            roster.push(Entry { member: member.clone(), fate: None });
        }
    }
}

fn is_same(one: &Member, other: &Member) -> bool {
    (one.pid, one.start) == (other.pid, other.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_named_among_some_has_not_ended() {
        let member = |pid| Member { pid, start: 1, state: 'S', name: "sleep".into() };
        let fates = |roster: &[Entry]| roster.iter().map(|entry| entry.fate).collect::<Vec<_>>();
        let mut roster = Vec::new();
        note(&mut roster, &[member(1), member(2)], 2, Fate::Exited);
        note(&mut roster, &[member(3)], 3, Fate::Terminated);
        assert_eq!(fates(&roster), [None, None, None]);
        note(&mut roster, &[member(3)], 1, Fate::Killed);
        assert_eq!(fates(&roster), [Some(Fate::Killed), Some(Fate::Killed), None]);
    }
}
