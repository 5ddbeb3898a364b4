//! What dead harnesses left: records, and scratch folders. Their processes the kernel has ended.

use spawner_core::{Spawner as _, TaskId};

use super::backend::ProcessSpawner;
use crate::config::ProcessConfig;

impl ProcessSpawner {
    /// Sweeps once, aside, where that is wished for and there may be anything besides the task `own`.
    pub(super) fn sweep_aside(&self, own: TaskId) {
        let shared = &self.shared;
        if !shared.config.sweep || !shared.sweep.is_first() || !shared.journal.has_others(own) {
            return;
        }
        let (name, config) = (shared.name.clone(), shared.config.clone());
        shared.sweep.begin(move || {
            let sweeper = Self::named(name, ProcessConfig { sweep: false, ..config })?;
            let is_due = sweeper.shared.journal.has_for_a_sweep(crate::KIND);
            Ok(is_due.then_some(async move { drop(sweeper.sweep().await) }))
        });
    }
}
