//! Resolves what dead harnesses left.

mod aside;

use std::time::Duration;

use tokio::time::Instant;

use crate::cleanup::{CleanupOutcome, Evidence, Resource};
use crate::error::ErrorKind;
use crate::journal::{Account, Found};
use crate::spawner::Spawner;
use crate::task::{Task, TaskRecord};
use crate::teardown::Teardown;

pub use aside::Aside;

/// How long another sweep that is at the same record may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Ends everything of `spawner`'s kind whose harness is dead.
pub(crate) async fn sweep<S: Spawner + ?Sized>(spawner: &S) -> Vec<CleanupOutcome> {
    let mut outcomes = Vec::new();
    let found = spawner.journal().read().unwrap_or_else(|error| {
        tracing::warn!(%error, "the journal cannot be read");
        Vec::new()
    });
    for found in found {
        let account = match found {
            Found::Account(account) if account.opening.kind == spawner.kind() => account,
            Found::Account(_) => continue,
            Found::Damaged { path, why } => {
                tracing::warn!(path = %path.display(), why, "a damaged record is kept");
                continue;
            }
        };
        if !account.is_for_a_sweep() {
            continue;
        }
        let _claim = match account.page.claim(PATIENCE).await {
            Ok(Some(claim)) => claim,
            Ok(None) => continue,
            Err(error) => {
                outcomes.push(unresolved(spawner, account.record(), &error.to_string()));
                continue;
            }
        };
        // It may say something else by now, to whoever has the right to resolve it.
        let Some(Found::Account(account)) = Account::read(account.page) else { continue };
        if account.is_for_a_sweep() {
            outcomes.extend(resolve(spawner, account.record()).await);
        }
    }
    for record in spawner.unrecorded().await {
        outcomes.extend(resolve(spawner, record).await);
    }
    if let Err(error) = spawner.journal().tidy() {
        tracing::warn!(%error, "something in the state folder cannot be removed");
    }
    outcomes
}

/// Ends one task that nobody keeps any more. `None` where somebody else has done so meanwhile.
async fn resolve<S: Spawner + ?Sized>(spawner: &S, record: TaskRecord) -> Option<CleanupOutcome> {
    let outcome = match spawner.recover_task(&record).await {
        Ok(task) => spawner.destroy_task(&task, &Teardown::at_once()).await,
        Err(error) if error.kind() == ErrorKind::UnknownTask => return None,
        Err(error) => unresolved(spawner, record, &error.to_string()),
    };
    tracing::info!(%outcome, "swept");
    Some(outcome)
}

fn unresolved<S: Spawner + ?Sized>(spawner: &S, record: TaskRecord, why: &str) -> CleanupOutcome {
    let began = Instant::now();
    let task = Task::new(record);
    let evidence = Evidence::blind(task.record().mechanisms.clone(), Resource::unreachable(&task, why));
    CleanupOutcome::judge((spawner.name(), task.id()), evidence, Default::default(), false, began.elapsed())
}
