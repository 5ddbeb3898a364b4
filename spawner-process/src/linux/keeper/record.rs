//! What is on record of the keeper's present task: the observer of an end is who closes it.

use std::io;
use std::time::Duration;

use spawner_core::ProcessIdentity;
use spawner_core::journal::{Note, Page};

use crate::linux::harness::live::exit;
use crate::linux::remains;
use crate::linux::words::{Ended, Sight, Start, Started, Traces};

/// How often, and how far apart, what bears a mark is looked for.
const ROUNDS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// The record of one task, if it has one.
#[derive(Debug, Default)]
pub(super) struct Record {
    page: Option<Page>,
    detached: bool,
}

impl Record {
    pub(super) fn new(start: &Start) -> Self {
        Self { page: start.page.clone().map(Page::at), detached: start.detached }
    }

    /// Whether the task may outlive the harness.
    pub(super) fn is_detached(&self) -> bool {
        self.detached
    }

    /// Where the record is.
    pub(super) fn page(&self) -> Option<&Page> {
        self.page.as_ref()
    }

    /// The task runs.
    pub(super) fn started(&self, started: &Started, boot_id: &str) {
        let identity = |pid: i32| {
            let own = ProcessIdentity::of(pid.cast_unsigned())?;
            Some(ProcessIdentity { boot_id: boot_id.to_owned(), ..own })
        };
        let leader = started.start_time.map(|start_time| ProcessIdentity {
            boot_id: boot_id.to_owned(),
            pid: started.pid.cast_unsigned(),
            start_time,
        });
        let traces = Traces { init: started.init.and_then(identity) };
        let traces = serde_json::to_value(traces).unwrap_or_default();
        self.note(&Note::Started { leader, mechanisms: started.mechanisms.clone(), traces });
    }

    /// The main process ended; for whoever recovers a detached task.
    pub(super) fn ended(&self, ended: Ended) {
        if self.detached {
            self.note(&Note::Ended { exit: exit(ended), at: jiff::Timestamp::now().to_string() });
        }
    }

    /// Everything was observed to be gone. A detached task's record stays, with what was seen.
    pub(super) fn gone(&mut self, sight: &Sight, has_door: bool) -> io::Result<()> {
        match &self.page {
            Some(page) if self.detached => {
                page.note(&Note::Gone { sight: serde_json::to_value(sight)? })?;
            }
            Some(page) if has_door => page.close()?,
            Some(page) => page.close_alone()?,
            None => {}
        }
        self.page = None;
        Ok(())
    }

    /// Ends what bears the task's mark, for a mechanism that may have missed it and a harness that is dead.
    pub(super) fn end_marked(&self) {
        let id = self.page.as_ref().and_then(|page| page.path().file_stem()?.to_str()?.parse().ok());
        let Some(id) = id else { return };
        for _ in 0..ROUNDS {
            match remains::strike_marked(id) {
                Ok(0) | Err(_) => return,
                Ok(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Nothing was started.
    pub(super) fn never(&mut self) -> io::Result<()> {
        self.page.take().as_ref().map_or(Ok(()), Page::close)
    }

    /// Notes what helps to find the task. Nothing is decided by a note, so one that cannot be written only makes
    /// the record say less.
    fn note(&self, note: &Note) {
        if let Some(Err(error)) = self.page.as_ref().map(|page| page.note(note)) {
            tracing::debug!(%error, "the record says less than it could");
        }
    }
}
