//! The records of a dead harness whose ends this supervisor has seen.

use std::path::Path;

use rustix::process::Pid;
use spawner_core::journal::{Account, Found};
use spawner_core::{Journal, ProcessIdentity};

use crate::linux::words::Whereabouts;

/// Closes the records that name this supervisor and whose keepers have left, once it has seen that nothing is
/// left of them. A keeper closes its own; these are of tasks that were never started, and of keepers that were
/// killed. What cannot be closed is left to the next sweep.
pub(super) fn close(folder: &Path, harness: Option<Pid>) {
    let own = ProcessIdentity::own();
    let journal = Journal::at(folder);
    let harness = harness.map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    if let Some(pid) = harness {
        journal.forget_half_written(pid);
    }
    let Ok(found) = journal.read() else { return };
    for found in found {
        if let Found::Account(account) = found
            && account.opening.kind == crate::KIND
            && is_over(&account, &own)
            && let Err(error) = account.page.close()
        {
            tracing::debug!(%error, "a record stays until the next sweep");
        }
    }
}

fn is_over(account: &Account, supervisor: &ProcessIdentity) -> bool {
    let whereabouts = serde_json::from_value::<Whereabouts>(account.opening.traces.clone());
    // The record of a detached task stays until that is destroyed, but for one that was never started.
    let kept = account.is_detached() && account.started().is_some();
    whereabouts.is_ok_and(|found| found.supervisor.as_ref() == Some(supervisor) && !found.keeper.is_alive())
        && !kept
}
