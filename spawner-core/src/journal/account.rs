//! What a file of the journal says, and whose it is.

use std::io::{self, Read as _};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::{is_foreign, open_plain};
use super::host;
use super::page::{Note, Opening, Page};
use crate::cleanup::Resource;
use crate::exit::Exit;
use crate::spec::Lifetime;
use crate::task::TaskRecord;

/// What a record may be at most: an argv near ARG_MAX, and some.
const LONGEST: u64 = 64 << 20;

/// What was found in the state folder.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A record that can be read.
    Account(Box<Account>),
    /// One that cannot. It is kept for a person to look at.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A record of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its file.
    pub page: Page,
    /// What was about to be created.
    pub opening: Opening,
    /// What happened since, in order.
    pub notes: Vec<Note>,
    /// Whether the file is another user's.
    pub foreign: bool,
}

/// What became of the harness that made a record, seen from this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// It lives (a stopped one does).
    Living,
    /// It is dead: nobody but a sweep will resolve what it left.
    Dead,
    /// The machine has gone down since; no process of it is left.
    OtherBoot,
    /// It is of another machine, or of a container with pids of its own: nothing can be said from here.
    OtherHost,
    /// Another user's: left alone, also by root, who can be that user.
    OtherUser,
}

impl Account {
    /// Reads a file. `None` where it is gone.
    pub(crate) fn read(page: Page) -> Option<Found> {
        let (text, foreign) = match read(&page) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                let why = format!("it cannot be read: {error}");
                return Some(Found::Damaged { path: page.path().to_owned(), why });
            }
        };
        let mut lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let opening = match lines.next().map(serde_json::from_slice::<Opening>) {
            Some(Ok(opening)) => opening,
            wrong => {
                let why = wrong.map_or_else(
                    || "its first line is cut off".to_owned(),
                    |wrong| wrong.err().map(|error| error.to_string()).unwrap_or_default(),
                );
                return Some(Found::Damaged { path: page.path().to_owned(), why });
            }
        };
        let named = page.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if opening.schema != Opening::SCHEMA || named != Some(opening.record.id.to_string()) {
            let why = format!("it is of schema `{}`, and about task {}", opening.schema, opening.record.id);
            return Some(Found::Damaged { path: page.path().to_owned(), why });
        }
        // A note that cannot be read says nothing; what is certain is looked for, not read.
        let notes = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        Some(Found::Account(Box::new(Self { page, opening, notes, foreign })))
    }

    /// What names the task: the record of the first line, and what is known since the start.
    pub fn record(&self) -> TaskRecord {
        let mut record = self.opening.record.clone();
        for note in &self.notes {
            if let Note::Started { leader, mechanisms, .. } = note {
                record.leader.clone_from(leader);
                record.mechanisms.clone_from(mechanisms);
            }
        }
        record
    }

    /// How its main process ended, where that was written down.
    pub fn exit(&self) -> Option<&Exit> {
        self.notes.iter().find_map(|note| match note {
            Note::Ended { exit, .. } => Some(exit),
            _ => None,
        })
    }

    /// What the backend saw when everything was gone, where that was written down.
    pub fn gone(&self) -> Option<&serde_json::Value> {
        self.notes.iter().find_map(|note| match note {
            Note::Gone { sight } => Some(sight),
            _ => None,
        })
    }

    /// What the backend learned at the start that it needs to find the task again; the last word of it.
    pub fn started(&self) -> Option<&serde_json::Value> {
        self.notes.iter().rev().find_map(|note| match note {
            Note::Started { traces, .. } => Some(traces),
            _ => None,
        })
    }

    /// What was not proved gone when it was last destroyed.
    pub fn left(&self) -> &[Resource] {
        let last = self.notes.iter().rev().find_map(|note| match note {
            Note::Left { leftovers, .. } => Some(leftovers.as_slice()),
            _ => None,
        });
        last.unwrap_or_default()
    }

    /// Whether the task may outlive its harness.
    pub fn is_detached(&self) -> bool {
        self.opening.record.lifetime == Lifetime::Detached
    }

    /// Whose it is.
    pub fn whose(&self) -> Whose {
        let (own, _) = host::own();
        let host = &self.opening.host;
        if self.foreign {
            Whose::OtherUser
        } else if host.machine != own.machine || own.boot_id.is_empty() || host.boot_id.is_empty() {
            // Where there is no /proc, of this boot or of another, who lives cannot be told.
            Whose::OtherHost
        } else if host.boot_id != own.boot_id {
            Whose::OtherBoot
        } else if host.namespaces != own.namespaces {
            Whose::OtherHost
        } else if self.opening.harness.process.is_alive() {
            Whose::Living
        } else {
            Whose::Dead
        }
    }

    /// Whether a sweep is to resolve it. The record of a detached task stays until somebody destroys it, since it
    /// keeps what the task wrote and how it ended, also when the machine has gone down since.
    pub fn is_for_a_sweep(&self) -> bool {
        !self.is_detached() && matches!(self.whose(), Whose::OtherBoot | Whose::Dead)
    }
}

/// What a file says, and whether it is another user's.
fn read(page: &Page) -> io::Result<(Vec<u8>, bool)> {
    let file = open_plain(page.path(), false)?;
    let foreign = is_foreign(&file)?;
    let mut text = Vec::new();
    let read = (&file).take(LONGEST + 1).read_to_end(&mut text)?;
    if read as u64 > LONGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok((text, foreign)) }
}
