//! What dead harnesses left, on record or not.

use std::time::Duration;

use spawner_core::journal::Journal;
use spawner_core::{Lifetime, Logs, Mechanism, Spawner, TaskId, TaskRecord};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::labels::{Origin, TASK};
use crate::backend::PodmanSpawner;
use crate::config::PodmanConfig;
use crate::engine::Engine;
use crate::local::Traces;

/// How long an engine may take to list what bears our labels.
const PATIENCE: Duration = Duration::from_secs(3);

/// What this engine has that bears our labels, is on no record in this journal, and is nobody's any more.
pub(crate) async fn unrecorded(
    engine: &Engine,
    journal: &Journal,
    backend: &str,
) -> Vec<(TaskRecord, Traces)> {
    let listed = engine.labelled(TASK, Instant::now() + PATIENCE).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot look for containers of dead harnesses");
        Vec::new()
    });
    let abandoned = listed.into_iter().filter_map(|container| {
        let origin = Origin::of(&container.labels).filter(Origin::is_abandoned)?;
        // Its record decides what becomes of it, also a damaged one.
        let recorded = journal.page(origin.task).is_ok_and(|page| page.path().exists());
        (!recorded).then_some((origin.task, container))
    });
    let found = abandoned.map(|(id, container)| {
        let record = TaskRecord {
            schema: TaskRecord::SCHEMA.into(),
            id,
            backend: backend.to_owned(),
            argv: Vec::new(),
            leader: None,
            mechanisms: vec![Mechanism::ContainerEngine],
            lifetime: Lifetime::Harness,
            name: None,
            host: None,
            logs: Logs::default(),
        };
        (record, Traces { id: container.id, ..Traces::of(container.name, engine.endpoint().clone()) })
    });
    found.collect()
}

/// Sweeps in a thread of its own, so that no start waits for it, where there may be anything besides the task
/// `own`. It is safe to be cut short. What is returned ends when that is done.
pub(crate) fn sweep_aside(
    (name, config, journal): (&str, &PodmanConfig, &Journal),
    own: TaskId,
) -> Option<oneshot::Receiver<()>> {
    if !config.sweep || !journal.has_others(own) {
        return None;
    }
    let (name, config) = (name.to_owned(), PodmanConfig { sweep: false, ..config.clone() });
    let (done, sweeping) = oneshot::channel::<()>();
    let work = move || {
        let _done = done;
        let sweeper = match PodmanSpawner::named(name, config) {
            Ok(sweeper) if sweeper.journal().has_for_a_sweep(crate::KIND) => sweeper,
            Ok(_) => return,
            Err(error) => return tracing::warn!(%error, "cannot sweep"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => drop(runtime.block_on(sweeper.sweep())),
            Err(error) => tracing::warn!(%error, "cannot sweep"),
        }
    };
    if let Err(error) = std::thread::Builder::new().name("spawner-sweep".into()).spawn(work) {
        tracing::warn!(%error, "cannot sweep");
    }
    Some(sweeping)
}
