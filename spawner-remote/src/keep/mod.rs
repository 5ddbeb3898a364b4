//! What closes the records of a harness that dies.
//!
//! The far end ends the tasks by itself. A helper process of role `remote` here, started with the first task, ends what
//! ssh programs the harness left, connects once more, and closes the records of what it saw to be gone. What it cannot
//! see stays on record for a sweep.

mod cleanup;
mod clients;

use serde::{Deserialize, Serialize};
use spawner_core::Journal;
use spawner_core::lifeline::{self, Role};

use crate::config::RemoteConfig;

pub(crate) const ROLE: Role = Role { name: "remote", thread: "spawner-keep", hook: take_over };

/// One harness's helper, for one spawner.
pub(crate) type Keep = lifeline::Keep<Settings, Charge>;

/// How the harness reaches its hosts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    config: RemoteConfig,
    /// What is in the name of every socket of a connection of the harness's.
    token: String,
}

/// All that has to be known of a task is on its record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Charge {}

impl Settings {
    pub(crate) fn new(config: &RemoteConfig, journal: &Journal, token: &str) -> Self {
        let state_dir = journal.folder().map(std::path::Path::to_owned);
        Self { config: RemoteConfig { state_dir, sweep: false, ..config.clone() }, token: token.to_owned() }
    }
}

/// Takes a freshly executed copy of the harness over, where it was started to be this helper.
#[ctor::ctor(unsafe)]
fn take_over() {
    lifeline::take_over(ROLE.name, |socket| lifeline::serve(c"spawner-keep", socket, cleanup::all));
}
