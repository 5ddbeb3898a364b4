//! What dead harnesses left, on record or not.

use std::time::Duration;

use spawner_core::journal::Journal;
use spawner_core::{Lifetime, Logs, Mechanism, TaskRecord};
use tokio::time::Instant;

use super::labels::{Origin, TASK};
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
