//! What is on record, in every folder that a configured backend may write to.

use std::path::Path;

use spawner::journal::{Account, Found};
use spawner::{Backend, Backends, Error, ErrorKind, Journal, Kind, Result};

/// Everything that is on record, in no order.
pub(super) fn all(backends: &Backends) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for journal in backends.journals() {
        found.extend(journal.read()?);
    }
    Ok(found)
}

/// Its id, and what people call it.
pub(super) fn called(account: &Account) -> String {
    let record = &account.opening.record;
    match &record.name {
        Some(name) => format!("{} ({})", record.id, name.escape_debug()),
        None => record.id.to_string(),
    }
}

/// The journal that a record is in.
pub(super) fn journal_of(account: &Account) -> Journal {
    folder_of(account).map_or_else(Journal::locate, Journal::at)
}

fn folder_of(account: &Account) -> Option<&Path> {
    account.page.path().parent()
}

/// Opens a backend that finds the task again: its record says how its engine or host is reached, so any configuration of
/// its kind will do.
pub(super) fn open(backends: &Backends, account: &Account) -> Result<Backend> {
    let kind = Kind::named(&account.opening.kind).ok_or_else(|| {
        let kind = account.opening.kind.escape_debug();
        Error::new(ErrorKind::Unavailable, "reach task", called(account))
            .because(format!("this program has no backend of kind `{kind}`"))
    })?;
    backends.open_kind(kind, Some(&account.opening.record.backend), folder_of(account))
}
