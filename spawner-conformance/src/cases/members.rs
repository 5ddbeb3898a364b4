//! Members in states in which they are hard to end, below a main process that still runs.

use std::sync::Arc;
use std::time::Duration;

use spawner_core::{Capability, TaskState};

use super::detach::patient;
use crate::case::{Case, Checked, case, require};
use crate::host::Need;
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(stopped, "a-stopped-member-hears-the-request", [EndEverything, AskFirst]),
    case!(stopped_by_force, "a-stopped-member-is-ended-by-force", [EndEverything]),
    case!(traced, "a-traced-member-and-its-stopped-tracer-are-ended", [EndEverything])
        .needs(&[Need::Unix("there are no trace stops")]),
    case!(zombies, "unreaped-zombies-are-not-survivors", [ProveClean, NameLeftovers]),
    case!(dead_main, "a-dead-main-thread-is-not-the-end-of-the-task", [EndEverything, ExactExit]),
];

async fn stopped(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("stopped", &[], 2).await?;
    let outcome = scene.end(&task, &patient()).await?;
    if scene.guaranteed(Capability::AskFirst) && scene.guaranteed(Capability::EndEverything) {
        require!(!outcome.escalated(), "the stopped member did not hear the request");
    }
    Ok(())
}

async fn stopped_by_force(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("stopped", &[], 2).await?;
    scene.end(&task, &patient().grace(Duration::ZERO)).await.map(drop)
}

async fn traced(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("traced", &[], 3).await?;
    scene.end(&task, &patient().grace(Duration::from_millis(200))).await.map(drop)
}

async fn zombies(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("zombies", &["stay"], 1).await?;
    scene.end(&task, &patient()).await.map(drop)
}

async fn dead_main(scene: Arc<Scene>) -> Checked {
    scene.needs_proc().await?;
    let task = scene.start_ready("dead-main", &[], 1).await?;
    let state = scene.spawner.task_state(&task).await?;
    require!(state == TaskState::Running, "its other thread lives, and it is said to be {state:?}");
    let outcome = scene.end(&task, &patient()).await?;
    require!(outcome.left_behind_total() == 0, "a task that did not end by itself left something behind");
    Ok(())
}
