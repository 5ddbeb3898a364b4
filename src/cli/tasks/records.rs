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
    let kind = &account.opening.kind;
    let kind = Kind::named(kind).ok_or_else(|| {
        Error::new(ErrorKind::Unavailable, "open a backend of kind", kind.escape_debug().to_string())
            .because("this program has none")
    })?;
    backends.open_kind(kind, Some(&account.opening.record.backend), folder_of(account))
}
