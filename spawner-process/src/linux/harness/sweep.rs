//! What dead harnesses left, on record or not.

use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::journal::Found;
use spawner_core::proc::Stat;
use spawner_core::{ProcessIdentity, Result, Spawner as _, TaskId, TaskRecord};

use super::leaving::end_by_identity;
use crate::config::ProcessConfig;
use crate::linux::backend::ProcessSpawner;
use crate::linux::remains::{self, Remains};
use crate::linux::words::Whereabouts;

/// How long a supervisor of a dead harness may take to leave once it is let go on.
const PATIENCE: Duration = Duration::from_millis(500);

/// Ends a keeper that does not answer, and sees to it that its supervisor leaves. Their harness is dead.
pub(super) async fn see_off_helpers(whereabouts: &Whereabouts) -> Result<()> {
    end_by_identity(&whereabouts.keeper)?;
    let Some(supervisor) = &whereabouts.supervisor else { return Ok(()) };
    let pidfd = Pid::from_raw(supervisor.pid.cast_signed())
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        // Only after the pidfd is had does the identity say whose it is.
        .filter(|_| supervisor.is_alive());
    let Some(pidfd) = pidfd else { return Ok(()) };
    if let Err(errno) = pidfd_send_signal(pidfd, Signal::CONT) {
        tracing::debug!(%errno, "the supervisor of a dead harness has ended, or may stay stopped");
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while supervisor.is_alive() {
        if tokio::time::Instant::now() >= deadline {
            // One that works stays as long as there is something that cannot be ended.
            let stopped =
                Stat::of(supervisor.pid.cast_signed()).is_ok_and(|stat| matches!(stat.state, b'T' | b't'));
            return if stopped { end_by_identity(supervisor) } else { Ok(()) };
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

impl ProcessSpawner {
    /// What bears the marks of this backend and is on no record, for harnesses that are dead.
    pub(crate) fn find_strays(&self) -> Vec<TaskRecord> {
        let shared = &self.shared;
        let mut records = Vec::new();
        let recorded = self.recorded_keepers();
        for abandoned in remains::abandoned(shared.set_up.group.as_deref(), &shared.set_up.boot_id) {
            for keeper in abandoned.keepers {
                if recorded.contains(&keeper) {
                    // Its record decides what becomes of it: it may be a detached one.
                    continue;
                }
                let record = TaskRecord {
                    schema: TaskRecord::SCHEMA.into(),
                    id: TaskId::random(),
                    backend: shared.name.clone(),
                    argv: Vec::new(),
                    leader: None,
                    mechanisms: vec![spawner_core::Mechanism::CgroupV2],
                    lifetime: spawner_core::Lifetime::Harness,
                    name: None,
                    host: None,
                    logs: spawner_core::Logs::default(),
                };
                let parent = Some(abandoned.parent.clone());
                self.strays().insert(record.id, Remains { id: record.id, keeper, parent, init: None });
                records.push(record);
            }
            // Where there is nothing in it, it goes; else with the last of its tasks.
            if let Err(error) = std::fs::remove_dir(&abandoned.parent) {
                tracing::trace!(%error, "a dead harness's group is still in use");
            }
        }
        records
    }

    /// The keepers that records name.
    fn recorded_keepers(&self) -> Vec<ProcessIdentity> {
        let found = self.shared.journal.read().unwrap_or_default().into_iter();
        let keeper = |found| match found {
            Found::Account(account) if account.opening.kind == crate::KIND => {
                serde_json::from_value::<Whereabouts>(account.opening.traces).ok().map(|found| found.keeper)
            }
            _ => None,
        };
        found.filter_map(keeper).collect()
    }

    /// Sweeps once, aside, where that is wished for and there may be anything besides the task `own`.
    pub(crate) fn sweep_aside(&self, own: TaskId) {
        let shared = &self.shared;
        if !shared.config.sweep || !shared.sweep.is_first() {
            return;
        }
        let parent = shared.set_up.group.as_deref();
        if !shared.journal.has_others(own) && !parent.is_some_and(remains::has_others) {
            return;
        }
        let (name, config) = (shared.name.clone(), shared.config.clone());
        shared.sweep.begin(move || {
            let sweeper = Self::named(name, ProcessConfig { sweep: false, ..config })?;
            Ok(sweeper.has_something_to_sweep().then_some(async move { drop(sweeper.sweep().await) }))
        });
    }

    fn has_something_to_sweep(&self) -> bool {
        self.shared.journal.has_for_a_sweep(crate::KIND)
            || self.shared.set_up.group.as_deref().is_some_and(|parent| {
                !remains::abandoned(Some(parent), &self.shared.set_up.boot_id).is_empty()
            })
    }
}
