//! Tasks of which only their backend knows how they are doing: it runs nothing of its own that writes that down.

use std::collections::HashMap;
use std::thread::JoinHandle;
use std::time::Duration;

use spawner::journal::Account;
use spawner::{Backends, Kind, Result, TaskId, TaskState};
use tokio::time::{Instant, timeout_at};

use super::records;
use super::state::State;
use crate::cli::runtime;

/// How long all of them together may take to be asked about. A person waits for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the task's backend is to be asked: the keepers of processes write down all there is to know.
pub(super) fn is_asked(account: &Account) -> bool {
    account.opening.kind != "process" && Kind::named(&account.opening.kind).is_some()
}

/// Whether what is on record leaves open how the task is doing.
pub(super) fn is_open(account: &Account, state: State) -> bool {
    let elsewhere = account.is_detached() && account.whose() == spawner::journal::Whose::OtherBoot;
    let open = match state {
        State::Lost => true,
        State::Elsewhere => elsewhere,
        // It has no process here that could be looked at.
        State::Starting => account.started().is_some(),
        State::Running | State::Ended | State::Gone | State::Left => false,
    };
    open && is_asked(account)
}

/// How these tasks are doing, as far as their backends say so in time.
pub(super) fn states(backends: &Backends, accounts: &[&Account]) -> HashMap<TaskId, TaskState> {
    let mut states = HashMap::new();
    if accounts.is_empty() {
        return states;
    }
    let asked = runtime::current_thread().map(|runtime| {
        runtime.block_on(async {
            let until = Instant::now() + PATIENCE;
            for account in accounts {
                match timeout_at(until, state(backends, account)).await {
                    Ok(Ok(state)) => drop(states.insert(account.opening.record.id, state)),
                    Ok(Err(error)) => tracing::debug!(%error, "how a task is doing is not known"),
                    Err(_) => return,
                }
            }
        });
    });
    if let Err(error) = asked {
        tracing::debug!(%error, "nobody can be asked");
    }
    states
}

async fn state(backends: &Backends, account: &Account) -> Result<TaskState> {
    let backend = records::open(backends, account)?;
    let task = backend.recover_task(&account.record()).await?;
    let state = backend.task_state(&task).await?;
    runtime::shut_down(backend).await?;
    Ok(state)
}

/// Has the task's backend bring its output to where it is kept, in a thread of its own; until it has ended where
/// `follow`.
pub(super) fn keep_output(backends: &Backends, account: &Account, follow: bool) -> JoinHandle<Result<()>> {
    let (backends, account) = (backends.clone(), account.clone());
    std::thread::spawn(move || {
        let backend = records::open(&backends, &account)?;
        runtime::current_thread()?.block_on(async {
            let task = backend.recover_task(&account.record()).await?;
            backend.keep_output(&task, follow).await?;
            runtime::shut_down(backend).await
        })
    })
}
