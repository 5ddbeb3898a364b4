//! What the cases about dying harnesses and helpers share: harnesses with tasks, and what must be left of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use spawner_core::{Capability, Level, TaskRecord, Teardown};

use super::platform;
use crate::case::{Checked, NotPassed, require};
use crate::harness::Harness;
use crate::judge;
use crate::scene::Scene;
use crate::state;
use crate::witness::{Blow, Herd, groups_of, half_born};

/// Tasks that no effort is too small for; how many of their processes tell that they are ready, and how many they
/// have then.
const TAME: &[(&str, u64, usize)] = &[("well-behaved", 1, 1), ("stopped", 2, 2)];

/// A task of a harness, and the witness of it alone.
pub(super) struct Own {
    pub(super) scene: Scene,
    pub(super) record: TaskRecord,
}

/// A harness with tasks.
pub(super) struct Party {
    pub(super) harness: Harness,
    pub(super) tasks: Vec<Own>,
}

/// The level of a capability; skips the case where the backend does not have it.
pub(super) fn level(scene: &Scene, capability: Capability) -> Checked<Level> {
    match scene.level(capability) {
        Level::Unsupported => {
            Err(NotPassed::Skipped(format!("the backend says that it does not support {capability}")))
        }
        level => Ok(level),
    }
}

/// Starts a harness with tasks as wild as the backend's promise `capability` allows.
pub(super) async fn party(scene: &Scene, capability: Capability) -> Checked<Party> {
    level(scene, capability)?;
    party_of(scene, capability, Harness::start(scene)?).await
}

/// The same in a harness that was started.
pub(super) async fn party_of(scene: &Scene, capability: Capability, harness: Harness) -> Checked<Party> {
    let workloads = match level(scene, capability)? {
        Level::Guaranteed if scene.is_first().await? => platform::STAYING,
        Level::Guaranteed => platform::WILD,
        Level::BestEffort | Level::Unsupported => TAME,
    };
    let mut party = Party { harness, tasks: Vec::new() };
    for &(workload, ready, alive) in workloads {
        party.spawn(scene, workload, ready).await?;
        party.settles(alive).await?;
    }
    Ok(party)
}

impl Party {
    /// Has the harness start another task.
    pub(super) async fn spawn(&mut self, scene: &Scene, workload: &str, count: u64) -> Checked<&Own> {
        let own = scene.another()?;
        let record = self.harness.spawn(own.spec(workload, [""; 0])).await?;
        own.ready(count).await?;
        require!(own.witness.gone().is_err(), "a task is gone before anything befell it");
        self.tasks.push(Own { scene: own, record });
        Ok(&self.tasks[self.tasks.len() - 1])
    }

    /// Waits until the last task has just so many processes.
    async fn settles(&self, alive: usize) -> Checked {
        let Some(Own { scene, .. }) = self.tasks.last() else { return Ok(()) };
        let give_up = Instant::now() + scene.later();
        loop {
            let living = scene.witness.living().len();
            if living == alive {
                return Ok(());
            }
            require!(Instant::now() < give_up, "a task has {living} processes, and should have {alive}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// How many processes the tasks have.
    pub(super) fn living(&self) -> usize {
        self.tasks.iter().map(|task| task.scene.witness.living().len()).sum()
    }

    /// Asserts that for this long none of the tasks' processes ends.
    pub(super) async fn lives_on(&self, count: usize, long: Duration) -> Checked {
        let until = Instant::now() + long;
        while Instant::now() < until {
            let living = self.living();
            require!(living == count, "{living} of {count} are alive, and nobody ended them");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The control groups of the tasks and the helpers, which must be gone when they are.
    pub(super) fn groups(&self) -> BTreeSet<PathBuf> {
        let helpers = self.harness.all_helpers().pids();
        let tasks = self.tasks.iter().flat_map(|task| task.scene.witness.living());
        let mut groups = groups_of(helpers.into_iter().chain(tasks.map(|living| living.pid)));
        // What is above those of containers is the engine's, and stays.
        let above: Vec<_> = groups.iter().filter(|group| is_above(group, &groups)).cloned().collect();
        if self.tasks.iter().any(|task| task.scene.contained()) {
            groups.retain(|group| !above.contains(group));
        }
        groups
    }

    /// Has the harness destroy every task, each with the proof that was promised, or without where helpers of
    /// it `suffered`: never is one called clean that is not.
    pub(super) async fn destroy_all(&mut self, suffered: bool) -> Checked {
        for Own { scene, record } in std::mem::take(&mut self.tasks) {
            let (clean, told) = self.harness.destroy(record.id, &Teardown::at_once()).await?;
            let gone = scene.witness.gone();
            if clean && let Err(alive) = &gone {
                require!(false, "false clean: the outcome says clean, and the witness sees {alive}");
            }
            if scene.must_be_clean() {
                require!(clean || suffered, "guaranteed, and yet not clean: {told}");
                require!(gone.is_ok(), "destroyed ({told}), and yet there: {gone:?}");
            }
        }
        Ok(())
    }

    /// Waits until nothing is left of a dead harness: no process, no helper, no control group, and nothing on
    /// record, where `closes` without a sweep.
    pub(super) async fn nothing_left(
        &self,
        scene: &Scene,
        groups: &BTreeSet<PathBuf>,
        within: Duration,
    ) -> Checked {
        let give_up = Instant::now() + within;
        for task in &self.tasks {
            task.scene.witness.gone_within(give_up.saturating_duration_since(Instant::now())).await?;
        }
        // What can be missed is never proved to be gone, so that a sweep has the last word; and so it has where nobody
        // is left to close the record.
        let closes = platform::RECORDS_CLOSE && scene.guaranteed(Capability::ProveClean);
        if scene.level(Capability::Sweep) != Level::Unsupported && !closes {
            swept(scene, &self.tasks).await?;
        }
        self.no_traces(scene, groups).await
    }

    /// Waits until there is no helper, no control group, no container and no record.
    pub(super) async fn no_traces(&self, scene: &Scene, groups: &BTreeSet<PathBuf>) -> Checked {
        let give_up = Instant::now() + scene.later();
        let mut containers = Vec::new();
        loop {
            let helpers = self.harness.remains()?;
            let groups: Vec<_> = groups.iter().filter(|group| group.exists()).collect();
            let mut files = scene.on_record();
            if scene.level(Capability::Sweep) == Level::Unsupported {
                files.clear();
            }
            if helpers.is_empty() && groups.is_empty() && files.is_empty() {
                containers.clear();
                for witness in self.tasks.iter().map(|task| &task.scene.witness).chain([&scene.witness]) {
                    if let Some(engine) = scene.engine() {
                        containers.extend(engine.containers(witness.token())?);
                    }
                }
                if containers.is_empty() {
                    return Ok(());
                }
            }
            if Instant::now() >= give_up {
                let unborn = half_born()?;
                if (1..=unborn).contains(&files.len()) && helpers.is_empty() && groups.is_empty() {
                    return Err(NotPassed::Skipped(format!(
                        "the system counts {unborn} that were being made when their maker died, for ever"
                    )));
                }
                require!(
                    false,
                    "the tasks are gone, and these are left: helpers {helpers:?}, control groups {groups:?}, \
                     files {files:?}, containers {containers:?}"
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills the harness and these helpers of it so that none has the time to do anything about it.
    pub(super) fn kill_with(&mut self, helpers: impl Fn(&Harness) -> Herd) -> Checked {
        self.harness.suffer(Blow::Stop)?;
        // What has just been forked is found the second time, when its parent is stopped.
        helpers(&self.harness).suffer(Blow::Stop)?;
        let herd = helpers(&self.harness);
        herd.suffer(Blow::Stop)?;
        herd.suffer(Blow::Kill)?;
        self.harness.kill()
    }
}

fn is_above(group: &Path, groups: &BTreeSet<PathBuf>) -> bool {
    groups.iter().any(|other| other != group && other.starts_with(group))
}

/// Has what died while it started tasks be swept. A container that was asked for and never seen may come yet, and is
/// given up only when that was long ago.
pub(super) async fn swept_in_the_end(scene: &Scene) -> Checked {
    swept(scene, &[]).await?;
    if scene.contained() {
        state::age(scene.state())?;
        swept(scene, &[]).await?;
    }
    Ok(())
}

/// Has a second harness, which is this process, sweep; asserts that no outcome is a lie.
pub(super) async fn swept(scene: &Scene, tasks: &[Own]) -> Checked<usize> {
    let second = scene.enrolment.make()?;
    let outcomes = second.sweep().await;
    for outcome in &outcomes {
        if let Some(own) = tasks.iter().find(|own| own.record.id == outcome.task()) {
            judge::truth(&own.scene, outcome)?;
        }
    }
    Ok(outcomes.len())
}
