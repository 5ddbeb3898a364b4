//! What is on record of a start.

use std::sync::{Arc, Mutex};

use spawner_core::journal::{Note, Page};
use spawner_core::{Error, ErrorKind, Lifetime, Output, Result, TaskId, TaskRecord, TaskSpec};
use tokio::sync::watch;

use super::Birth;
use crate::backend::Shared;
use crate::declared::Means;
use crate::hosts::Turn;
use crate::keep::Charge;
use crate::lock::lock;
use crate::session::{Ear, Heard, Started};
use crate::task::asked::Asked;
use crate::task::live::Traces;
use crate::task::refusal::value;

impl Birth {
    /// Puts on record what is about to be made.
    pub(super) fn prepare(
        shared: &Arc<Shared>,
        turn: Turn,
        means: Means,
        spec: &TaskSpec,
    ) -> Result<Arc<Self>> {
        let Turn { host, link, slot } = turn;
        let mut record = TaskRecord::of(TaskId::random(), &shared.name, spec);
        record.mechanisms = means.mechanisms(&link.facts);
        record.host = Some(host.address.name());
        let detached = spec.lifetime == Lifetime::Detached;
        if let Ok(page) = shared.journal.page(record.id) {
            record.logs.stdout = (spec.stdout == Output::Log).then(|| page.beside("stdout"));
            record.logs.stderr = (spec.stderr == Output::Log).then(|| page.beside("stderr"));
        }
        if detached && link.facts.folder.is_none() {
            return Err(Error::new(
                ErrorKind::Denied,
                "start a detached task on",
                &*host.address.destination,
            )
            .because("the account has no folder there in which its output and its end could be kept"));
        }
        let group = link.facts.group.as_ref().filter(|_| means.used().group);
        let traces = Traces {
            address: (*host.address).clone(),
            boot: link.facts.boot.clone(),
            came_up: link.facts.came_up,
            guardian: (0, 0),
            pipe: String::new(),
            group: group.map(|base| format!("{base}/spawner-{}", record.id)),
        };
        // Known to the helper before it is on record: else a death between the two would leave the record to a sweep.
        if !detached && let Err(error) = shared.keep.keep(record.id, Charge {}) {
            tracing::warn!(%error, "if this process dies, its records stay until the next sweep");
        }
        // Tasks run without a record where none can be written, for which the journal warns once; but for detached
        // ones, which nobody would find again.
        let page = match shared.journal.open(crate::KIND, &record, value(&traces)?) {
            Ok(page) => Some(page),
            Err(error) if detached => return Err(error),
            Err(_) => {
                shared.keep.forget(record.id);
                None
            }
        };
        let ear: Ear = Arc::new(watch::Sender::new(Heard::default()));
        link.listen(record.id, Arc::clone(&ear));
        Ok(Arc::new(Self {
            shared: Arc::clone(shared),
            host,
            link,
            slot: Mutex::new(Some(slot)),
            means,
            record,
            traces,
            linger: spec.teardown.linger,
            cwd: spec.cwd.clone(),
            page,
            ear,
            asked: Asked::default(),
            session: Mutex::default(),
        }))
    }

    /// A record that does not say so is of a task that was never started, whoever reads it.
    pub(super) fn note_asked(&self) -> Result<()> {
        let Some(page) = &self.page else { return Ok(()) };
        let (mechanisms, traces) = (self.record.mechanisms.clone(), value(&self.traces)?);
        page.note(&Note::Started { leader: None, mechanisms, traces })
            .map_err(|source| Error::io("write to", page.path().display().to_string(), source))
    }

    /// What is known once it has begun; says so in its record.
    pub(super) fn born(&self, started: &Started) -> (TaskRecord, Traces) {
        let mut record = self.record.clone();
        record.leader = Some(started.leader.clone());
        let traces = Traces { guardian: started.guardian, pipe: started.pipe.clone(), ..self.traces.clone() };
        let noted = value(&traces).and_then(|traces| {
            let (leader, mechanisms) = (record.leader.clone(), record.mechanisms.clone());
            let Some(page) = &self.page else { return Ok(()) };
            page.note(&Note::Started { leader, mechanisms, traces })
                .map_err(|source| Error::io("write to", page.path().display().to_string(), source))
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "the record does not say that the task was started");
        }
        (record, traces)
    }

    /// Nothing was made: its record goes.
    pub(super) fn discard(&self) {
        drop(lock(&self.slot).take());
        if self.asked.was()
            && let Err(error) = self.link.tell(format!("forget {}", self.record.id))
        {
            tracing::debug!(%error, "what the far end noted of it stays there for a while");
        }
        self.link.forget(self.record.id);
        self.shared.keep.forget(self.record.id);
        if let Some(Err(error)) = self.page.as_ref().map(Page::close) {
            tracing::warn!(%error, "the record of a task that was never started stays until the next sweep");
        }
    }
}
