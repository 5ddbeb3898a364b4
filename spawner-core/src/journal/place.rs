//! The folder of the journal.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::account::{Account, Found};
use super::file::{make, remove, usual};
use super::host;
use super::name;
use super::page::{Note, Opening, Page};
use crate::cleanup::CleanupOutcome;
use crate::error::{Error, ErrorKind, Result};
use crate::id::TaskId;
use crate::task::TaskRecord;

/// The ending of a task's file.
const ENDING: &str = "task";

/// The journal of one user on this host.
#[derive(Debug, Default)]
pub struct Journal {
    folder: Option<PathBuf>,
    /// Why nothing can be written, found out when it was first tried.
    trouble: OnceLock<String>,
}

impl Journal {
    /// The journal at the usual place: `$SPAWNER_STATE_DIR`, else `$XDG_STATE_HOME/spawner`, else
    /// `~/.local/state/spawner`; on Windows, else `%LOCALAPPDATA%\spawner`. Makes nothing yet. A relative
    /// `$XDG_STATE_HOME` does not count, says the XDG Base Directory Specification.
    pub fn locate() -> Self {
        if let Some(folder) = std::env::var_os("SPAWNER_STATE_DIR").filter(|folder| !folder.is_empty()) {
            return Self::at(folder);
        }
        Self { folder: usual(), trouble: OnceLock::new() }
    }

    /// The journal in this folder, seen from the working directory of now. Makes nothing yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let absolute = std::path::absolute(&folder);
        Self { folder: Some(absolute.unwrap_or(folder)), trouble: OnceLock::new() }
    }

    /// The journal in this folder where one is named, else the one at the usual place.
    pub fn in_folder(folder: Option<&Path>) -> Self {
        folder.map_or_else(Self::locate, Self::at)
    }

    /// No journal, for backends that have nothing to lose.
    pub fn none() -> Self {
        Self::default()
    }

    /// Where it is.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Why nothing can be written to it, if that was found out by now. Tasks run all the same; but what a dead
    /// harness *and* dead helpers left could not be found again by it.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    /// The file of a task, be it there or not.
    pub fn page(&self, id: TaskId) -> Result<Page> {
        match &self.folder {
            Some(folder) => Ok(Page::at(folder.join(format!("{id}.{ENDING}")))),
            None => Err(Error::new(ErrorKind::Unavailable, "find the state folder", "")
                .because("there is no home folder")
                .hint("set SPAWNER_STATE_DIR to a folder of your own")),
        }
    }

    /// Puts on record what is about to be created.
    pub fn open(&self, kind: &str, record: &TaskRecord, traces: serde_json::Value) -> Result<Page> {
        let page = self.page(record.id).inspect_err(|error| self.warn(error))?;
        let (host, harness) = host::own();
        let opening = Opening {
            schema: Opening::SCHEMA.into(),
            record: record.clone(),
            kind: kind.to_owned(),
            created: jiff::Timestamp::now().to_string(),
            host,
            harness,
            traces,
        };
        let written = match page.write(&opening) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                page.path().parent().map_or(Ok(()), make).and_then(|()| page.write(&opening))
            }
            other => other,
        };
        match written {
            Ok(()) => Ok(page),
            Err(source) => {
                let error = Error::io("write the journal", page.path().display().to_string(), source)
                    .hint("set SPAWNER_STATE_DIR to a folder that can be written to");
                self.warn(&error);
                Err(error)
            }
        }
    }

    fn warn(&self, error: &Error) {
        if self.trouble.set(error.to_string()).is_ok() {
            tracing::warn!(%error, "tasks are not on record");
        }
    }

    /// Everything that is on record, in no order. A folder that is not there has nothing in it.
    pub fn read(&self) -> Result<Vec<Found>> {
        let files = self.files()?.into_iter();
        let records = files.filter(|path| path.extension() == Some(OsStr::new(ENDING)));
        Ok(records.filter_map(|path| Account::read(Page::at(path))).collect())
    }

    /// Whether there is any record but that of the task `own`. Looks at names only.
    pub fn has_others(&self, own: TaskId) -> bool {
        let own = self.page(own).map(|page| page.path().to_owned()).ok();
        let files = self.files().unwrap_or_default();
        files.iter().any(|path| path.extension() == Some(OsStr::new(ENDING)) && Some(path) != own.as_ref())
    }

    /// Whether tasks of a backend of this kind are on record that only a sweep can still resolve.
    pub fn has_for_a_sweep(&self, kind: &str) -> bool {
        self.read().unwrap_or_default().iter().any(|found| match found {
            Found::Account(account) => account.opening.kind == kind && account.is_for_a_sweep(),
            Found::Damaged { .. } => false,
        })
    }

    /// The record of one task.
    pub fn find(&self, id: TaskId) -> Result<Option<Account>> {
        let page = self.page(id)?;
        let path = page.path().display().to_string();
        match Account::read(page) {
            Some(Found::Account(account)) => Ok(Some(*account)),
            Some(Found::Damaged { why, .. }) => {
                Err(Error::new(ErrorKind::Io, "understand the record", path).because(why))
            }
            None => Ok(None),
        }
    }

    /// The record of one task of a backend of `kind`, to recover the task by. One that is on no record is
    /// [`ErrorKind::UnknownTask`].
    pub fn recall(&self, kind: &str, id: TaskId) -> Result<Account> {
        self.find(id)?.filter(|account| account.opening.kind == kind).ok_or_else(|| {
            Error::new(ErrorKind::UnknownTask, "recover task", id.to_string())
                .because("it is on no record here: it was destroyed, or belongs to another user")
        })
    }

    /// Notes what was not proved gone, where the task is on record still.
    pub(crate) fn note_left(&self, outcome: &CleanupOutcome) {
        let leftovers: Vec<_> = outcome.leftovers().map(|leftover| leftover.resource().clone()).collect();
        let Some(page) = self.page(outcome.task()).ok().filter(|_| !leftovers.is_empty()) else { return };
        let note = Note::Left { leftovers, at: jiff::Timestamp::now().to_string() };
        match page.note(&note) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the record does not say what is left");
            }
            _ => {}
        }
    }

    /// Removes what the process with this pid, which is dead, wrote half. For its helpers; what they cannot remove stays
    /// until the next sweep.
    pub fn forget_half_written(&self, writer: u32) {
        let removed = self.files().and_then(|files| {
            let mut half = files.iter().filter(|path| half_written_by(path) == Some(writer));
            half.try_for_each(|path| {
                remove(path).map_err(|source| Error::io("remove", path.display().to_string(), source))
            })
        });
        if let Err(error) = removed {
            tracing::debug!(%error, "a half-written record stays until the next sweep");
        }
    }

    /// Removes what lies beside no record any more: half-written ones of dead processes, output, and names that nobody holds.
    pub(crate) fn tidy(&self) -> Result<()> {
        let mut tidied = Ok(());
        for path in self.files()? {
            let is_dead = |writer| crate::id::ProcessIdentity::of(writer).is_none();
            let has_record = || path.with_extension(ENDING).try_exists();
            let removed = match path.extension().unwrap_or_default().to_str() {
                Some("tmp") if half_written_by(&path).is_some_and(is_dead) => remove(&path),
                // A record comes before what lies beside it, and goes after it.
                Some("stdout" | "stderr" | "door") if has_record().is_ok_and(|there| !there) => remove(&path),
                Some(name::ENDING) => name::remove_abandoned(&path),
                _ => Ok(()),
            };
            let failed = |source| Error::io("remove", path.display().to_string(), source);
            tidied = tidied.and(removed.map_err(failed));
        }
        tidied
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let failed = |source| Error::io("read the state folder", folder.display().to_string(), source);
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
    }
}

/// The pid of whoever writes, or wrote, a record to the side.
fn half_written_by(path: &Path) -> Option<u32> {
    let stem = path.file_stem().filter(|_| path.extension() == Some(OsStr::new("tmp")))?;
    Path::new(stem).extension()?.to_str()?.parse().ok()
}
