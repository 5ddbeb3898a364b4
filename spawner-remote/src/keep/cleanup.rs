//! What the helper does when its harness is dead.

use std::time::Duration;

use futures_util::future::join_all;
use spawner_core::lifeline::Told;
use spawner_core::{ErrorKind, Journal, Mechanism, Spawner as _, TaskId, TaskRecord, Teardown};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::{Charge, Settings, clients};
use crate::backend::RemoteSpawner;

/// How long all of it may take beyond the lease, in which the far end ends what it cannot be asked for. What is left
/// then is for a sweep.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many tasks are asked for at the same time.
const AT_ONCE: usize = 16;

/// How long to wait before it is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Ends what runs here of a dead harness, and closes the records of its tasks, once they were seen to be gone.
pub(super) async fn all(told: Told<Settings, Charge>) {
    let Some(Settings { config, token }) = told.settings else { return };
    let tasks: Vec<_> = told.charges.into_keys().collect();
    let journal = Journal::in_folder(config.state_dir.as_deref());
    let until = Instant::now() + config.lease() + PATIENCE;
    let closing = async {
        let spawner = match RemoteSpawner::cleaning(config) {
            Ok(spawner) if !tasks.is_empty() => spawner,
            Ok(_) => return,
            Err(error) => return tracing::debug!(%error, "records stay until the next sweep"),
        };
        let turns = Semaphore::new(AT_ONCE);
        join_all(tasks.iter().map(|task| one(&spawner, *task, &turns, until))).await;
        if let Err(error) = spawner.shutdown().await {
            tracing::debug!(%error, "a connection is left to its lease");
        }
    };
    if let Some(pid) = told.dead {
        journal.forget_half_written(pid);
    }
    tokio::join!(closing, clients::end(&token, tasks.is_empty()));
}

/// Closes one record.
async fn one(spawner: &RemoteSpawner, task: TaskId, turns: &Semaphore, until: Instant) {
    let mut pause = PAUSE.0;
    loop {
        {
            let Ok(_turn) = turns.acquire().await else { return };
            if is_resolved(spawner, task).await {
                return;
            }
        }
        if Instant::now() + pause >= until {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Whether nothing more is to be done about it here.
async fn is_resolved(spawner: &RemoteSpawner, task: TaskId) -> bool {
    let account = match spawner.journal().find(task) {
        Ok(Some(account)) => account,
        Ok(None) => return true,
        Err(error) => {
            tracing::debug!(%error, "a record cannot be read");
            return false;
        }
    };
    if !can_be_proved(&account.record()) {
        return true;
    }
    // So that a sweep waits for us. Where another one is at it, it is tried again.
    let _claim = match account.page.claim(Duration::ZERO).await {
        Ok(Some(claim)) => claim,
        Ok(None) => return true,
        Err(_) => return false,
    };
    match spawner.recover_task(&account.record()).await {
        Ok(task) => {
            spawner.ends_by_itself(&task).await;
            spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean()
        }
        Err(error) => error.kind() == ErrorKind::UnknownTask,
    }
}

/// Whether there is anything to learn: what can be missed stays on record for a sweep, and the far end ends it as well as
/// it can without us.
fn can_be_proved(record: &TaskRecord) -> bool {
    let proves =
        |mechanism: &Mechanism| matches!(mechanism, Mechanism::RemoteCgroup | Mechanism::RemoteSubreaper);
    record.mechanisms.iter().any(proves)
}
