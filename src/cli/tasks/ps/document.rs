//! What is on record, as a document with a versioned schema.

use schemars::JsonSchema;
use serde::Serialize;
use spawner::journal::{Account, Found, Host, Whose};
use spawner::{Backends, Exit, Journal, ProcessIdentity, Resource, TaskRecord};

use crate::cli::failure::Failure;
use crate::cli::tasks::state::{self, State};
use crate::cli::tasks::{Damaged, asked, records};

/// What `spawner ps --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Document {
    /// The schema of this document; `spawner.ps/1`.
    schema: &'static str,
    /// Where it was asked. A pid means something only there.
    host: Host,
    /// The folder that holds the records where a backend has no `state_dir` of its own; `null` where there is none.
    folder: Option<String>,
    /// Every task on record: of living harnesses, detached ones, what dead harnesses left, and those of
    /// elsewhere; the tasks of one harness together, the oldest first.
    pub(super) tasks: Vec<Entry>,
    /// Records that cannot be read.
    pub(super) damaged: Vec<Damaged>,
}

/// One task.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    /// What names it to any program, for instance to recover it.
    pub(super) record: TaskRecord,
    /// How it is doing.
    pub(super) state: State,
    /// The kind of backend that started it, whatever its name.
    kind: String,
    /// When it was put on record (RFC 3339).
    pub(super) created: String,
    /// Who started it.
    pub(super) harness: HarnessPart,
    /// Where it was started.
    pub(super) host: Host,
    /// How its main process ended, where that was written down.
    exit: Option<Exit>,
    /// What was not proved gone when it was last destroyed.
    pub(super) leftovers: Vec<Resource>,
    /// The file of the record.
    file: String,
}

/// The harness that started a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct HarnessPart {
    /// Which process.
    pub(super) process: ProcessIdentity,
    /// What it was started as.
    pub(super) command: String,
    /// What became of it.
    pub(super) state: Whose,
}

impl Document {
    const SCHEMA: &'static str = "spawner.ps/1";

    pub(super) fn read(backends: &Backends) -> Result<Self, Failure> {
        let (mut settled, mut damaged) = (Vec::new(), Vec::new());
        for found in records::all(backends)? {
            match found {
                Found::Account(account) => settled.extend(state::settled(*account)),
                Found::Damaged { path, why } => damaged.push(Damaged::new(&path, why)),
            }
        }
        let open = settled.iter().filter(|(account, _, state)| asked::is_open(account, *state));
        let told = asked::states(backends, &open.map(|(account, ..)| account).collect::<Vec<_>>());
        let mut tasks: Vec<_> = settled
            .into_iter()
            .map(|(account, whose, state)| match told.get(&account.opening.record.id) {
                // Whoever told it has written down how it ended.
                Some(told) => {
                    let newer = records::journal_of(&account).find(account.opening.record.id).ok().flatten();
                    Entry::new(&newer.unwrap_or(account), whose, told.into())
                }
                None => Entry::new(&account, whose, state),
            })
            .collect();
        tasks.sort_by_cached_key(Entry::place);
        damaged.sort_by(|one, other| one.file.cmp(&other.file));
        let folder = Journal::locate().folder().map(|folder| folder.display().to_string());
        Ok(Self { schema: Self::SCHEMA, host: Host::own(), folder, tasks, damaged })
    }
}

impl Entry {
    fn new(account: &Account, whose: Whose, state: State) -> Self {
        let opening = &account.opening;
        Self {
            record: account.record(),
            state,
            kind: opening.kind.clone(),
            created: opening.created.clone(),
            harness: HarnessPart {
                process: opening.harness.process.clone(),
                command: opening.harness.command.clone(),
                state: whose,
            },
            host: opening.host.clone(),
            exit: account.exit().cloned(),
            leftovers: account.left().to_vec(),
            file: account.page.path().display().to_string(),
        }
    }

    /// Where it stands.
    fn place(&self) -> (Group, String, String) {
        (self.group(), self.created.clone(), self.record.id.to_string())
    }

    /// With which others it stands.
    pub(super) fn group(&self) -> Group {
        let HarnessPart { process, state, .. } = &self.harness;
        let rank = match (self.state, state) {
            (State::Elsewhere, _) => 3,
            _ if self.record.lifetime == spawner::Lifetime::Detached => return Group::detached(),
            (_, Whose::Living) => 0,
            _ => 2,
        };
        Group {
            rank,
            machine: self.host.machine.clone(),
            boot_id: process.boot_id.clone(),
            pid: process.pid,
            start_time: process.start_time,
        }
    }
}

/// The tasks of one harness, or all detached ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    rank: u8,
    machine: String,
    boot_id: String,
    pid: u32,
    start_time: u64,
}

impl Group {
    /// Detached tasks are nobody's.
    pub(super) fn detached() -> Self {
        Self { rank: 1, machine: String::new(), boot_id: String::new(), pid: 0, start_time: 0 }
    }
}
