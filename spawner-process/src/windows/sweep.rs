//! What dead harnesses left: records, and scratch folders. Their processes the kernel has ended.

use std::sync::PoisonError;
use std::time::Duration;

use spawner_core::TaskId;

use super::backend::ProcessSpawner;

impl ProcessSpawner {
    /// Sweeps in a thread of its own, so that no start waits for it, where there may be anything besides the task `own`.
    /// It is safe to be cut short.
    pub(super) fn sweep_aside(&self, own: TaskId) {
        if !self.shared.journal.has_others(own) {
            return;
        }
        let (name, config) = (self.shared.name.clone(), self.shared.config.clone());
        let (done, sweeping) = tokio::sync::oneshot::channel();
        *self.shared.sweeping.lock().unwrap_or_else(PoisonError::into_inner) = Some(sweeping);
        let work = move || {
            let _done: tokio::sync::oneshot::Sender<()> = done;
            let sweeper = match Self::named(name, crate::ProcessConfig { sweep: false, ..config }) {
                Ok(sweeper) if sweeper.shared.journal.has_for_a_sweep(crate::KIND) => sweeper,
                Ok(_) => return,
                Err(error) => return tracing::warn!(%error, "cannot sweep"),
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => drop(runtime.block_on(spawner_core::Spawner::sweep(&sweeper))),
                Err(error) => tracing::warn!(%error, "cannot sweep"),
            }
        };
        if let Err(error) = std::thread::Builder::new().name("spawner-sweep".into()).spawn(work) {
            tracing::warn!(%error, "cannot sweep");
        }
    }

    /// Waits, for a bounded time, until what dead harnesses left is resolved.
    pub(super) async fn swept(&self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        let sweeping = self.shared.sweeping.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sweeping) = sweeping
            && tokio::time::timeout(PATIENCE, sweeping).await.is_err()
        {
            tracing::warn!("a sweep takes long, and is left to the next harness");
        }
    }
}
