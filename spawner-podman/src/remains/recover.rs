//! Gets hold of tasks of other harnesses: of those that live, of those that died, and of nobody's.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use spawner_core::journal::{Account, Journal, Whose};
use spawner_core::{Error, ErrorKind, Exit, Result, TaskRecord, Teardown};
use tokio::time::Instant;

use super::labels::is_of;
use crate::config::PodmanConfig;
use crate::engine::{Engine, Seen, Status};
use crate::local::{Local, Traces};
use crate::task::end::exit_of_code;
use crate::task::live::Live;

/// How long an engine may take to say what it knows. Without it a task can be destroyed all the same, as far as it
/// is one of this host; and whoever does that asks again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The task that `record` names, as its own record and its engine have it.
pub(crate) async fn recover(
    journal: &Journal,
    config: &Arc<PodmanConfig>,
    record: &TaskRecord,
) -> Result<(TaskRecord, Live)> {
    let refused =
        |kind, why: &'static str| Err(Error::new(kind, "recover task", record.id.to_string()).because(why));
    let account = journal.recall(crate::KIND, record.id)?;
    match account.whose() {
        Whose::OtherUser => refused(ErrorKind::Denied, "it is another user's"),
        Whose::OtherHost => {
            refused(ErrorKind::Unavailable, "it was started on another host, or in another container")
        }
        whose @ (Whose::Living | Whose::Dead | Whose::OtherBoot) => bring_back(&account, whose, config).await,
    }
}

/// What bears our labels, and is on no record.
pub(crate) fn stray(record: TaskRecord, traces: Traces, config: &Arc<PodmanConfig>) -> Live {
    Live::new(record, Teardown::default().linger, Arc::clone(config), (traces, None, None), None)
}

async fn bring_back(
    account: &Account,
    whose: Whose,
    config: &Arc<PodmanConfig>,
) -> Result<(TaskRecord, Live)> {
    let record = account.record();
    let mut traces = traces_of(account)?;
    let rebooted = whose == Whose::OtherBoot;
    // Its engine may be elsewhere, on a machine that did not go down.
    let ran_here = traces.init.is_some();
    if rebooted {
        // What ran went down with the machine; its pids are other processes' now. The container and its volumes are on
        // disk still.
        let Traces { id, name, endpoint, volumes, .. } = traces;
        traces = Traces { id, volumes, ..Traces::of(name, endpoint) };
    }
    let (engine, seen) = match ask(account, &traces, config).await {
        Ok((engine, seen)) => (Some(engine), Some(seen)),
        Err(error) => {
            tracing::debug!(%error, "a task is recovered without its engine");
            (None, None)
        }
    };
    if let Some(Some(seen)) = &seen {
        traces.id.clone_from(&seen.id);
    }
    // Somebody may have started it again, so that it has another first process now.
    let local = seen.iter().flatten().find_map(Local::find).or_else(|| Local::recall(&traces));
    if let Some(local) = &local {
        traces.learn(local);
    }
    let known = account.exit().cloned();
    let news = seen.as_ref().filter(|_| known.is_none()).and_then(|seen| end(account, whose, seen.as_ref()));
    let page = Some(account.page.clone());
    let linger = Teardown::default().linger;
    let live = Live::new(record.clone(), linger, Arc::clone(config), (traces, local, engine), page)
        .with_memo(known, None);
    let live = if rebooted && ran_here { live.after_a_reboot() } else { live };
    let live = if account.started().is_none() { live.asked_for(asked_at(account)) } else { live };
    if let Some(Some(seen)) = &seen {
        live.account.note(seen);
    }
    if let Some(exit) = news {
        live.note(exit);
    }
    Ok((record, live))
}

/// By when its container was asked for, if it was. Where the record does not say, that may be now.
fn asked_at(account: &Account) -> Timestamp {
    account.opening.created.parse().unwrap_or_else(|_| Timestamp::now())
}

/// How the container of a record is found.
pub(super) fn traces_of(account: &Account) -> Result<Traces> {
    let traces = account.started().unwrap_or(&account.opening.traces);
    serde_json::from_value(traces.clone()).map_err(|source| {
        let id = account.opening.record.id.to_string();
        Error::new(ErrorKind::Io, "understand the record of task", id).because(source)
    })
}

/// What the engine has of it. By its name alone a container is not known to be ours: somebody may have taken that.
async fn ask(account: &Account, traces: &Traces, config: &PodmanConfig) -> Result<(Engine, Option<Seen>)> {
    let by = Instant::now() + PATIENCE;
    let engine = Engine::at(&traces.endpoint, config, by).await?;
    let container = if traces.id.is_empty() { &traces.name } else { &traces.id };
    let seen = engine.inspect(container, by).await?;
    let task = account.opening.record.id;
    Ok((engine, seen.filter(|seen| !traces.id.is_empty() || is_of(task, &seen.labels))))
}

/// How its main process ended, as far as the engine knows; `None` where it runs, or is about to.
fn end(account: &Account, whose: Whose, seen: Option<&Seen>) -> Option<Exit> {
    let lost = |why: &str| Some(Exit::Lost { why: why.to_owned() });
    let started = account.started().is_some();
    match seen.map(|seen| (seen.status, seen)) {
        Some((Status::Exited | Status::Dead, seen)) => Some(exit_of_code(seen)),
        // After a restart of the machine, podman has what ran before as created.
        Some((Status::Created, _)) if started => lost("the machine went down while it ran"),
        Some((Status::Created, _)) | None if whose == Whose::Living && !started => None,
        Some((Status::Created, _)) => lost("its harness died before it was started"),
        None if started => lost("somebody removed its container"),
        None => lost("its harness died before its container was made"),
        Some(_) => None,
    }
}
