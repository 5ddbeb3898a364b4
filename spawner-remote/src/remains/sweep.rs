//! What dead harnesses left, looked for aside while the first task starts.

use spawner_core::journal::Journal;
use spawner_core::{Spawner as _, TaskId};
use tokio::sync::oneshot;

use crate::backend::RemoteSpawner;
use crate::config::RemoteConfig;

/// Sweeps in a thread of its own, so that no start waits for it, where there may be anything besides the task
/// `own`. It is safe to be cut short. What is returned ends when that is done.
pub(crate) fn sweep_aside(
    (name, config, journal): (&str, &RemoteConfig, &Journal),
    own: TaskId,
) -> Option<oneshot::Receiver<()>> {
    if !config.sweep || !journal.has_others(own) {
        return None;
    }
    let (name, config) = (name.to_owned(), RemoteConfig { sweep: false, ..config.clone() });
    let (done, sweeping) = oneshot::channel::<()>();
    let work = move || {
        let _done = done;
        let sweeper = match RemoteSpawner::named(name, config) {
            Ok(sweeper) if sweeper.journal().has_for_a_sweep(crate::KIND) => sweeper,
            Ok(_) => return,
            Err(error) => return tracing::warn!(%error, "cannot sweep"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                drop(sweeper.sweep().await);
                if let Err(error) = sweeper.shutdown().await {
                    tracing::warn!(%error, "a connection to sweep with cannot be closed");
                }
            }),
            Err(error) => tracing::warn!(%error, "cannot sweep"),
        }
    };
    if let Err(error) = std::thread::Builder::new().name("spawner-sweep".into()).spawn(work) {
        tracing::warn!(%error, "cannot sweep");
    }
    Some(sweeping)
}
