//! Where the tasks of the configured backends are on record, and which backend can find one again.

use std::path::Path;

use spawner_core::{Journal, Result};

use super::{Backend, Backends, Kind, Settings};

impl Settings {
    /// The journal that a backend with these settings writes to. Makes nothing.
    pub fn journal(&self) -> Journal {
        Journal::in_folder(self.state_dir())
    }
}

impl Backends {
    /// Every journal that a configured backend may write to, each once: the one at the usual place first, then those
    /// of each `state_dir`. Makes nothing.
    pub fn journals(&self) -> Vec<Journal> {
        let mut journals = vec![Journal::locate()];
        for journal in self.named.values().map(Settings::journal) {
            if journals.iter().all(|other| other.folder() != journal.folder()) {
                journals.push(journal);
            }
        }
        journals
    }

    /// Opens a backend of this kind, to find again what another of it started: the configured one of that
    /// name, else another of the kind, else one about which nothing is said. Its journal is the one in `folder`, where
    /// that is known.
    pub fn open_kind(&self, kind: Kind, name: Option<&str>, folder: Option<&Path>) -> Result<Backend> {
        let mut names =
            name.into_iter().chain([self.default.as_str()]).chain(self.named.keys().map(String::as_str));
        let found = names.find_map(|name| {
            let settings = self.named.get(name).filter(|settings| settings.kind() == kind)?;
            Some((name, settings.clone()))
        });
        let (name, mut settings) = found.unwrap_or_else(|| (kind.name(), kind.settings()));
        if let Some(folder) = folder {
            settings.choose_state_dir(folder);
        }
        settings.open(name)
    }
}
