//! What is on record of a start.

use std::sync::{Arc, Mutex};

use spawner_core::journal::{Note, Page};
use spawner_core::{Error, ErrorKind, Lifetime, Output, Result, TaskRecord, TaskSpec};

use super::Birth;
use crate::backend::Shared;
use crate::engine::Engine;
use crate::keep::Charge;
use crate::local::Traces;
use crate::task::wish::Wish;

impl Birth {
    /// Puts on record what is about to be made, and tells the helper.
    pub(super) fn prepare(
        shared: &Arc<Shared>,
        engine: Engine,
        mut record: TaskRecord,
        wish: Wish,
        spec: &TaskSpec,
    ) -> Result<Arc<Self>> {
        let detached = spec.lifetime == Lifetime::Detached;
        if let Ok(page) = shared.journal.page(record.id) {
            record.logs.stdout = (spec.stdout == Output::Log).then(|| page.beside("stdout"));
            record.logs.stderr = (spec.stderr == Output::Log).then(|| page.beside("stderr"));
        }
        // Known to the helper before it is on record: else a death between the two would leave the record to a sweep.
        shared.keep.about_to_create(Charge {
            task: record.id,
            name: wish.name.clone(),
            endpoint: engine.endpoint().clone(),
            page: shared.journal.page(record.id).ok().map(|page| page.path().to_owned()),
            detached,
            traces: None,
        })?;
        // Tasks run without a record where none can be written, for which the journal warns once; but for detached
        // ones, which nobody would find again.
        let page = match open(shared, &record, &wish, &engine) {
            Ok(page) => Some(page),
            Err(error) if detached => {
                shared.keep.forget(record.id);
                return Err(error);
            }
            Err(_) => None,
        };
        Ok(Arc::new(Self {
            shared: Arc::clone(shared),
            engine,
            record,
            linger: spec.teardown.linger,
            page,
            making: tokio::sync::Mutex::default(),
            made: Mutex::default(),
            found: Mutex::default(),
            wish,
        }))
    }

    /// It is about to be asked for again, perhaps long after it was put on record, which tells when that was.
    pub(super) fn renew(&self) -> Result<()> {
        if self.page.is_some() {
            open(&self.shared, &self.record, &self.wish, &self.engine)?;
        }
        Ok(())
    }

    /// It was started: says so in its record, and to the helper.
    pub(super) fn note(&self, record: &TaskRecord, traces: &Traces) {
        let noted = serde_json::to_value(traces).map_err(std::io::Error::from).and_then(|value| {
            let (leader, mechanisms) = (record.leader.clone(), record.mechanisms.clone());
            let note = Note::Started { leader, mechanisms, traces: value };
            self.page.as_ref().map_or(Ok(()), |page| page.note(&note))
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "the record does not say that the task was started");
        }
        if record.lifetime == Lifetime::Detached || traces.init.is_none() {
            self.shared.keep.started(record.id, traces);
        }
    }

    /// Nothing was made: its record goes.
    pub(super) fn discard(&self) {
        self.shared.keep.forget(self.record.id);
        if let Some(Err(error)) = self.page.as_ref().map(Page::close) {
            tracing::warn!(%error, "the record of a task that was never started stays until the next sweep");
        }
    }
}

fn open(shared: &Shared, record: &TaskRecord, wish: &Wish, engine: &Engine) -> Result<Page> {
    let traces = serde_json::to_value(Traces::of(&*wish.name, engine.endpoint().clone()));
    let traces = traces
        .map_err(|error| Error::new(ErrorKind::InvalidSpec, "put on record", "the task").because(error))?;
    shared.journal.open(crate::KIND, record, traces)
}
