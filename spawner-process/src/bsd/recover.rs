//! Gets hold of tasks of other harnesses: of those that live, and of those that died.

use std::sync::Arc;

use spawner_core::journal::{Account, Whose};
use spawner_core::{
    Error, ErrorKind, Evidence, Exit, Fate, Mechanism, Resource, ResourceKind, Result, Strength, Task,
    TaskRecord, Teardown,
};

use super::backend::ProcessSpawner;
use super::live::Live;

impl ProcessSpawner {
    pub(super) fn recover(&self, record: &TaskRecord) -> Result<Task> {
        match self.shared.tasks.known(record) {
            Some(task) => Ok(task),
            None => self.bring_back(&self.shared.journal.recall(crate::KIND, record.id)?, record),
        }
    }

    fn bring_back(&self, account: &Account, given: &TaskRecord) -> Result<Task> {
        let refused = |kind, why: &'static str| {
            Err(Error::new(kind, "recover task", given.id.to_string()).because(why))
        };
        let mut record = account.record();
        if account.started().is_none() {
            // What the record does not say, the caller may know.
            record.leader.clone_from(&given.leader);
        }
        let live = Live::new(&record, Teardown::default().linger, Some(account.page.clone()), false);
        let live = match account.whose() {
            Whose::OtherUser => return refused(ErrorKind::Denied, "it is another user's"),
            Whose::OtherHost => {
                return refused(ErrorKind::Unavailable, "it was started on another host, or in another jail");
            }
            Whose::OtherBoot => {
                let why = "the machine went down while it ran".to_owned();
                live.with_proof(Exit::Lost { why }, of_reboot(&record))
            }
            Whose::Living | Whose::Dead => live,
        };
        Ok(self.shared.tasks.enter(record, Arc::new(live)))
    }
}

/// The machine went down: the main process, and whatever else it was.
fn of_reboot(record: &TaskRecord) -> Evidence {
    let describe = |leader: &spawner_core::ProcessIdentity| Resource {
        kind: ResourceKind::Process,
        id: leader.pid.to_string(),
        started: None,
        name: None,
        fate: Fate::AlreadyGone,
        reason: None,
        remedy: None,
    };
    let resources: Vec<_> = record.leader.iter().map(describe).collect();
    Evidence {
        mechanisms: vec![Mechanism::ProcessGroup],
        strength: Strength::CannotMiss,
        total: resources.len(),
        resources,
        usage: None,
    }
}
