//! What a sweep finds when everybody who could have cleaned up was killed, and what it leaves alone.

use std::sync::Arc;
use std::time::Duration;

use spawner_core::Capability;

use super::aftermath::{Party, level, party, swept, swept_in_the_end};
use crate::case::{Case, Checked, case, require};
use crate::harness::Harness;
use crate::scene::Scene;
use crate::witness::Blow;

pub(super) const CASES: &[Case] = &[
    case!(orphans, "what-a-dead-harness-and-dead-helpers-left-is-swept", [Sweep]),
    case!(storms_of_sweeps, "sweeping-again-and-at-once-is-fine", [Sweep]),
    case!(next_start, "what-died-while-it-started-tasks-is-swept", [Sweep]),
    case!(living, "a-sweep-touches-nothing-of-a-living-harness", [Sweep]),
    case!(stopped, "a-sweep-touches-nothing-of-a-stopped-harness", [Sweep]),
    case!(detached, "a-sweep-touches-no-detached-task", [Sweep, Detach]),
];

/// A harness with tasks, of which all but the tasks has been killed.
async fn orphaned(scene: &Scene) -> Checked<(Party, std::collections::BTreeSet<std::path::PathBuf>)> {
    let mut party = party(scene, Capability::Sweep).await?;
    let groups = party.groups();
    require!(!scene.on_record().is_empty(), "tasks run, and none is on record");
    party.kill_with(Harness::all_helpers)?;
    Ok((party, groups))
}

async fn orphans(scene: Arc<Scene>) -> Checked {
    let (party, groups) = orphaned(&scene).await?;
    swept(&scene, &party.tasks).await?;
    for task in &party.tasks {
        task.scene.witness.gone_within(task.scene.soon()).await?;
    }
    party.no_traces(&scene, &groups).await
}

async fn storms_of_sweeps(scene: Arc<Scene>) -> Checked {
    let (party, groups) = orphaned(&scene).await?;
    let (one, two) = tokio::join!(swept(&scene, &party.tasks), swept(&scene, &party.tasks));
    one?;
    two?;
    for task in &party.tasks {
        task.scene.witness.gone_within(task.scene.soon()).await?;
    }
    party.no_traces(&scene, &groups).await?;
    for again in 0..2 {
        let count = swept(&scene, &party.tasks).await?;
        require!(count == 0, "sweep {again} after all was gone still tells of {count} tasks");
    }
    Ok(())
}

/// All are killed at moments that are spread over the starting and destroying of tasks.
async fn next_start(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::Sweep)?;
    let step = Duration::from_micros(if scene.contained() { 50_000 } else { 2300 });
    for moment in 0..6 {
        let mut party = Party { harness: Harness::start(&scene)?, tasks: Vec::new() };
        party.harness.churn(scene.spec("well-behaved", [""; 0])).await?;
        tokio::time::sleep(step * moment).await;
        let groups = party.groups();
        party.kill_with(Harness::all_helpers)?;
        swept_in_the_end(&scene).await?;
        scene.witness.gone_within(scene.soon()).await?;
        party.no_traces(&scene, &groups).await?;
    }
    Ok(())
}

async fn living(scene: Arc<Scene>) -> Checked {
    let mut party = party(&scene, Capability::Sweep).await?;
    let before = party.living();
    for _ in 0..2 {
        let count = swept(&scene, &party.tasks).await?;
        require!(count == 0, "the harness lives, and the sweep tells of {count} tasks");
        party.lives_on(before, Duration::from_millis(50)).await?;
    }
    party.destroy_all(false).await
}

async fn stopped(scene: Arc<Scene>) -> Checked {
    let mut party = party(&scene, Capability::Sweep).await?;
    let before = party.living();
    party.harness.suffer(Blow::Stop)?;
    let count = swept(&scene, &party.tasks).await?;
    party.lives_on(before, Duration::from_millis(100)).await?;
    party.harness.suffer(Blow::Continue)?;
    require!(count == 0, "the harness is only stopped, and the sweep tells of {count} tasks");
    party.destroy_all(false).await
}

/// Of a living harness and of a dead one.
async fn detached(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::Detach)?;
    let mut harness = Harness::start(&scene)?;
    let record = harness.spawn(scene.spec("ignores-term", [""; 0]).detached()).await?;
    scene.ready(2).await?;
    for killed in [false, true] {
        if killed {
            harness.kill()?;
        }
        let count = swept(&scene, &[]).await?;
        let living = scene.witness.living().len();
        require!(living == 2, "a sweep left {living} of a detached task's 2 processes");
        require!(count == 0, "a sweep tells of {count} tasks, and there is a detached one only");
    }
    let second = scene.with_witness(scene.enrolment.make()?)?;
    let task = second.spawner.recover_task(&record).await?;
    drop(second.end(&task, &spawner_core::Teardown::at_once()).await?);
    let party = Party { harness, tasks: Vec::new() };
    party.no_traces(&scene, &std::collections::BTreeSet::new()).await?;
    Ok(scene.witness.gone_within(scene.later()).await?)
}
