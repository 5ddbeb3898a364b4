//! Gets hold of tasks of other harnesses: of those that live, and of those that died.

use std::sync::Arc;

use spawner_core::journal::{Account, Whose};
use spawner_core::{Error, ErrorKind, Evidence, Result, Strength, TaskRecord, Teardown};
use tokio::sync::watch;

use crate::backend::Shared;
use crate::session::{Ear, Heard, Started};
use crate::task::live::{Live, Traces};

/// The task that `record` names, as its own record has it. Asks nobody yet.
pub(crate) fn recover(shared: &Shared, record: &TaskRecord) -> Result<(TaskRecord, Live)> {
    let refused =
        |kind, why: &'static str| Err(Error::new(kind, "recover task", record.id.to_string()).because(why));
    let account = shared.journal.recall(crate::KIND, record.id)?;
    match account.whose() {
        Whose::OtherUser => refused(ErrorKind::Denied, "it is another user's"),
        Whose::OtherHost => refused(ErrorKind::Unavailable, "it was started from another host"),
        Whose::Living if account.started().is_none() => {
            refused(ErrorKind::Unavailable, "it is being started")
        }
        // That this machine went down says nothing of the other one.
        Whose::Living | Whose::Dead | Whose::OtherBoot => bring_back(shared, &account),
    }
}

fn bring_back(shared: &Shared, account: &Account) -> Result<(TaskRecord, Live)> {
    let record = account.record();
    let traces = account.started().unwrap_or(&account.opening.traces);
    let traces: Traces = serde_json::from_value(traces.clone()).map_err(|source| {
        Error::new(ErrorKind::Io, "understand the record of task", record.id.to_string()).because(source)
    })?;
    let mut heard = Heard::default();
    if let Some(leader) = record.leader.clone() {
        let (guardian, pipe) = (traces.guardian, traces.pipe.clone());
        heard.started = Some(Ok(Started { leader, guardian, pipe }));
    }
    if let Some(exit) = account.exit() {
        heard.ended(exit.clone());
    }
    let ear: Ear = Arc::new(watch::Sender::new(heard));
    let host = shared.hosts.at(&traces.address);
    let page = Some(account.page.clone());
    let whose = account.whose();
    let mut live = Live::new(record.clone(), Teardown::default().linger, page, traces, (host, ear), None);
    live.is_anothers = whose == Whose::Living;
    if whose == Whose::Dead && account.started().is_none() {
        // The far end was never told what to execute.
        live.settle(Evidence {
            mechanisms: record.mechanisms.clone(),
            strength: Strength::CannotMiss,
            total: 0,
            resources: Vec::new(),
            usage: None,
        });
    }
    Ok((record, live))
}
