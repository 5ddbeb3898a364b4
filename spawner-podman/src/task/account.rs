//! What is known of a container beyond its processes, from one teardown to the next.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spawner_core::ProcessIdentity;

use crate::engine::Seen;
use crate::local::{Local, Traces};

/// What hangs on one container.
#[derive(Debug)]
pub(crate) struct Account(Mutex<Known>);

#[derive(Debug, Default)]
pub(super) struct Known {
    /// The full ids of the containers that were seen.
    pub(super) ids: BTreeSet<String>,
    pub(super) volumes: BTreeSet<String>,
    pub(super) execs: BTreeSet<String>,
    /// The folders that the engine keeps on disk for it, which were seen to be there.
    pub(super) storage: BTreeSet<PathBuf>,
    /// Further lives of the container: somebody started it again.
    pub(super) again: Vec<Arc<Local>>,
    /// The engine's processes beside it.
    pub(super) shims: Vec<ProcessIdentity>,
    /// Whether somebody told the engine to start it again when it ends.
    pub(super) restarts: bool,
    /// Whether it was seen, and never with a process.
    pub(super) idle: Option<bool>,
    /// Whether the engine was asked to remove it, and said that it did.
    pub(super) removed: bool,
    /// What went wrong last when it was to be removed.
    pub(super) trouble: Option<String>,
}

impl Account {
    /// What is on record of it.
    pub(super) fn of(traces: &Traces) -> Self {
        Self(Mutex::new(Known { volumes: traces.volumes.clone(), ..Known::default() }))
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the engine says hangs on it. Whoever looks at a container tells it here.
    pub(crate) fn note(&self, seen: &Seen) {
        let mut known = self.known();
        known.ids.insert(seen.id.clone());
        known.volumes.extend(seen.own_volumes());
        known.execs.extend(seen.execs.iter().cloned());
        let idle = seen.started.is_none() && seen.pid.is_none() && !seen.status.is_live();
        known.idle = Some(known.idle != Some(false) && idle);
        known.restarts = seen.restart_policy != "no";
        known.storage.extend(seen.layer.iter().filter(|layer| layer.exists()).cloned());
    }
}
