//! What is written down about a container.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use spawner_core::ProcessIdentity;

use super::Local;
use crate::engine::{Endpoint, Seen};

/// How a container is found again, with and without its engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Traces {
    /// The full id; empty before the engine has said it.
    pub(crate) id: String,
    /// The name.
    pub(crate) name: String,
    /// Which engine has it.
    pub(crate) endpoint: Endpoint,
    /// Its first process, where that is one of this host.
    pub(crate) init: Option<ProcessIdentity>,
    /// The parent of that: conmon, or containerd's shim.
    pub(crate) conmon: Option<ProcessIdentity>,
    /// Its control groups, in every hierarchy.
    pub(crate) groups: Vec<PathBuf>,
    /// Whether it has a pid namespace of its own.
    pub(crate) own_pids: bool,
    /// The volumes that were made for it. The engine names them by their container alone, which somebody may remove
    /// without them.
    #[serde(default)]
    pub(crate) volumes: BTreeSet<String>,
}

impl Traces {
    /// Those of a container that is about to be made.
    pub(crate) fn of(name: impl Into<String>, endpoint: Endpoint) -> Self {
        Self {
            id: String::new(),
            name: name.into(),
            endpoint,
            init: None,
            conmon: None,
            groups: Vec::new(),
            own_pids: false,
            volumes: BTreeSet::new(),
        }
    }

    /// Adds what the engine says.
    pub(crate) fn hear(&mut self, seen: &Seen) {
        self.id.clone_from(&seen.id);
        self.volumes.extend(seen.own_volumes());
    }

    /// Adds what this host knows.
    pub(crate) fn learn(&mut self, local: &Local) {
        self.id.clone_from(&local.id);
        self.init = Some(local.init.clone());
        self.conmon.clone_from(&local.shim);
        self.groups.clone_from(&local.groups);
        self.own_pids = local.own_pids;
    }
}
