//! Destroying again, at the same time, and after a call that was given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{Capability, Exit, TaskState, Teardown};

use super::detach::patient;
use crate::case::{Case, Checked, case, require};
use crate::judge;
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(twice, "destroying-again-says-the-same", [ProveClean]),
    case!(together, "destroying-twice-at-once-is-fine", [ProveClean]),
    case!(given_up, "a-destroy-that-was-given-up-can-be-called-again", [EndEverything]),
    case!(apart, "tasks-do-not-disturb-one-another", [EndEverything, NameLeftBehind]),
    case!(timeout, "a-task-is-ended-when-its-time-is-over", [EndEverything]),
];

async fn twice(scene: Arc<Scene>) -> Checked {
    let task = scene.start("background", &[]).await?;
    scene.wait_for(&task, &Exit::Exited { code: 7 }).await?;
    let first = scene.end(&task, &patient()).await?;
    let began = Instant::now();
    let second = scene.end(&task, &patient()).await?;
    require!(second.verdict() == first.verdict(), "first {}, then {}", first.verdict(), second.verdict());
    require!(second.escalated() == first.escalated(), "whether force was used has changed");
    let (left, now) = (first.left_behind_total(), second.left_behind_total());
    require!(left == now, "first {left} were left behind, then {now}");
    if first.is_clean() {
        require!(began.elapsed() < Duration::from_secs(1), "destroying nothing took {:?}", began.elapsed());
    }
    Ok(())
}

async fn together(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("ignores-term", &[], 2).await?;
    let teardown = patient().grace(Duration::from_millis(200));
    let spawner = &scene.spawner;
    let (first, second) =
        tokio::join!(spawner.destroy_task(&task, &teardown), spawner.destroy_task(&task, &teardown));
    judge::outcome(&scene, &first, &teardown)?;
    judge::outcome(&scene, &second, &teardown)?;
    require!(first.verdict() == second.verdict(), "one says {}, one {}", first.verdict(), second.verdict());
    Ok(())
}

async fn given_up(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("ignores-term", &[], 2).await?;
    let patience = Duration::from_millis(50);
    let teardown = patient();
    let slow = scene.spawner.destroy_task(&task, &teardown);
    let given_up = tokio::time::timeout(patience, slow).await.map(drop);
    require!(given_up.is_err(), "it was destroyed within {patience:?}, although it ignores the request");
    let outcome = scene.end(&task, &patient().grace(Duration::from_millis(50))).await?;
    require!(outcome.escalated(), "no force was needed for a task that ignores the request");
    Ok(())
}

/// Of two tasks one is destroyed, and the other one lives.
async fn apart(scene: Arc<Scene>) -> Checked {
    let other = scene.another()?;
    let lives = other.start_ready("stubborn-daemon", &[], 1).await?;
    let ends = scene.start_ready("stubborn-daemon", &[], 1).await?;
    drop(scene.end(&ends, &Teardown::at_once()).await?);
    let left = other.witness.living().len();
    let state = other.spawner.task_state(&lives).await?;
    let outcome = other.end(&lives, &Teardown::at_once()).await;
    let ended = other.witness.end_survivors().await?;
    require!(left == 2, "{left} of another task's 2 processes are alive after one task was destroyed");
    require!(state == TaskState::Running, "the other task is said to be {state:?}");
    drop(outcome?);
    require!(ended == 0 || !scene.must_be_clean(), "{ended} survived");
    Ok(())
}

async fn timeout(scene: Arc<Scene>) -> Checked {
    let spec = scene.spec("takes-its-grace", [""; 0]).timeout(Duration::from_millis(500)).teardown(patient());
    let finished = spawner_core::run::run(scene.spawner.as_ref(), &spec).await?;
    judge::outcome(&scene, &finished.cleanup, &spec.teardown)?;
    judge::report(&finished)?;
    require!(finished.exit == Exit::TimedOut, "the task {}, and its time was over", finished.exit);
    let after = scene.wait(&finished.task).await?;
    if scene.guaranteed(Capability::AskFirst) {
        require!(after == Exit::Exited { code: 42 }, "it was not asked: the task {after}");
    }
    Ok(())
}
