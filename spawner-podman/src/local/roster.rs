//! Who was seen in a container, and what became of them.

use spawner_core::{Evidence, Fate, ProcessIdentity};

use super::members::Member;

/// Everyone who was seen, in the order in which they were.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    entries: Vec<Entry>,
    /// How many there were besides that are not kept.
    more: usize,
}

/// One who was seen.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) identity: ProcessIdentity,
    pub(crate) name: Option<String>,
    /// `None` as long as it was not seen to be gone.
    pub(crate) fate: Option<Fate>,
}

impl Roster {
    /// With the first process.
    pub(super) fn of(init: &ProcessIdentity) -> Self {
        Self { entries: vec![Entry { identity: init.clone(), name: None, fate: None }], more: 0 }
    }

    /// These run now; who was seen before and is not among them came to this end.
    pub(crate) fn see(&mut self, alive: &[Member], fate: Fate) {
        for entry in self.entries.iter_mut().filter(|entry| entry.fate.is_none()) {
            match alive.iter().find(|member| member.identity == entry.identity) {
                Some(member) => entry.name = Some(member.name.clone()),
                None => entry.fate = Some(fate),
            }
        }
        for member in alive {
            if self.entries.iter().any(|entry| entry.identity == member.identity) {
                continue;
            }
            if self.entries.len() >= Evidence::LISTED {
                self.more += 1;
                continue;
            }
            let identity = member.identity.clone();
            self.entries.push(Entry { identity, name: Some(member.name.clone()), fate: None });
        }
    }

    /// Everyone who is kept.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many were seen.
    pub(crate) fn total(&self) -> usize {
        self.entries.len() + self.more
    }
}
