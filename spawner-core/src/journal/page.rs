//! One task's file in the journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::{is_at, open_plain, private, remedy, remove, try_lock};
use super::host::{Harness, Host};
use crate::cleanup::{Fate, Mechanism, Resource, ResourceKind};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::id::ProcessIdentity;
use crate::task::TaskRecord;

/// The first line: what is about to be created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Opening {
    /// The schema of the file; [`Opening::SCHEMA`].
    pub schema: String,
    /// The task, as far as it is known before it starts.
    pub record: TaskRecord,
    /// The kind of backend, whatever its name in the configuration.
    pub kind: String,
    /// When it was written (RFC 3339).
    pub created: String,
    /// On which host.
    pub host: Host,
    /// By whom.
    pub harness: Harness,
    /// What the backend needs to find it again.
    pub traces: serde_json::Value,
}

impl Opening {
    /// The value of [`Opening::schema`].
    pub const SCHEMA: &'static str = "spawner.journal/1";
}

/// A later line: what happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// It was started.
    Started {
        /// Its main process.
        leader: Option<ProcessIdentity>,
        /// What its members are known by.
        mechanisms: Vec<Mechanism>,
        /// What the backend learned that it needs to find it again.
        traces: serde_json::Value,
    },
    /// Its main process ended.
    Ended {
        /// How.
        exit: Exit,
        /// When (RFC 3339).
        at: String,
    },
    /// Everything of it was observed to be gone. Only detached tasks have this line; the file of another is
    /// removed at this point.
    Gone {
        /// What the backend saw then, to judge by.
        sight: serde_json::Value,
    },
    /// It was destroyed, and this was not proved gone.
    Left {
        /// What.
        leftovers: Vec<Resource>,
        /// When (RFC 3339).
        at: String,
    },
}

/// One task's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page(PathBuf);

/// The right to resolve a record, held until it is dropped; the system gives it back when its holder dies.
#[derive(Debug)]
pub struct Claim(#[allow(dead_code, reason = "held for its lock")] File);

impl Page {
    /// The file at `path`, be it there or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the file of the same task with another ending is: its output, its door.
    pub fn beside(&self, ending: &str) -> PathBuf {
        self.0.with_extension(ending)
    }

    /// Writes the first line, whole or not at all.
    pub(super) fn write(&self, opening: &Opening) -> io::Result<()> {
        let mut line = serde_json::to_vec(opening)?;
        line.push(b'\n');
        let aside = self.beside(&format!("{}.tmp", std::process::id()));
        let written = private(OpenOptions::new().write(true).create(true).truncate(true))
            .open(&aside)
            .and_then(|mut file| file.write_all(&line))
            .and_then(|()| fs::rename(&aside, &self.0));
        if written.is_err()
            && let Err(error) = fs::remove_file(&aside)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(path = %aside.display(), %error, "a half-written record stays until the next sweep");
        }
        written
    }

    /// Appends a line. Nothing is appended to a file that was closed.
    pub fn note(&self, note: &Note) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).open(&self.0)?;
        let mut line = Vec::new();
        if is_torn(&mut file)? {
            // What a crash or a full disk cut short must not take this line along.
            line.push(b'\n');
        }
        serde_json::to_writer(&mut line, note)?;
        line.push(b'\n');
        file.write_all(&line)
    }

    /// Removes the file, for whoever observed that nothing of the task is left, and what lies beside it. Fine
    /// where it is gone.
    pub fn close(&self) -> io::Result<()> {
        let beside = ["stdout", "stderr", "door"].map(|ending| remove(&self.beside(ending)));
        let own = remove(&self.0);
        // What is left beside no record is removed by the next sweep.
        own.and(beside.into_iter().collect())
    }

    /// The same where nothing lies beside it, as beside the record of an attached task: fewer looks at the disk.
    pub fn close_alone(&self) -> io::Result<()> {
        remove(&self.0)
    }

    /// The file as a leftover, where closing it failed.
    pub fn leftover(&self, closed: io::Result<()>) -> Option<Resource> {
        let why = closed.err()?;
        Some(Resource {
            kind: ResourceKind::File,
            id: self.0.display().to_string(),
            started: None,
            name: None,
            fate: Fate::Survived,
            reason: Some(why.to_string()),
            remedy: Some(remedy(&self.0)),
        })
    }

    /// Takes the right to resolve the record; waits for at most `patience` for another holder. `None` where
    /// the file is gone, because somebody else has resolved it.
    pub async fn claim(&self, patience: Duration) -> Result<Option<Claim>> {
        let failed = |source| Error::io("claim the record", self.0.display().to_string(), source);
        // Over NFS only a file that is open for writing can be locked (flock(2)).
        let file = match open_plain(&self.0, true).or_else(|_| open_plain(&self.0, false)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed)?,
        };
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            match try_lock(&file).map_err(failed)? {
                // Whoever had it before may have closed the file, and there may be another.
                true => return Ok(is_at(&file, &self.0).map_err(failed)?.then_some(Claim(file))),
                false if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                false => {
                    let held = io::Error::new(io::ErrorKind::TimedOut, "somebody else is resolving it");
                    return Err(failed(held));
                }
            }
        }
    }
}

/// Whether it ends in the middle of a line.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != [b'\n'])
}
