//! What becomes of a task when its harness dies, stops, or ends a thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use spawner_core::{Capability, Level, TaskState};

use super::detach::patient;
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::harness::Harness;
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(killed, "a-killed-harness-leaves-nothing", [EndWithHarness]),
    case!(exits, "a-harness-that-just-exits-leaves-nothing", [EndWithHarness]),
    case!(stopped, "a-stopped-harness-is-not-a-dead-one", [EndWithHarness]),
    case!(dropped, "what-a-dropped-backend-had-is-ended", [EndWithHarness]),
    case!(thread, "a-task-outlives-the-thread-that-started-it", [EndWithHarness, ProveClean]),
];

/// How soon all must be gone.
const SOON: Duration = Duration::from_secs(1);

/// Starts a harness with tasks as wild as the backend's promise allows, and waits for them.
async fn harness(scene: &Scene) -> Checked<Harness> {
    let (workloads, count): (&[&str], u64) = match scene.level(Capability::EndWithHarness) {
        Level::Guaranteed => (&["well-behaved", "ignores-term", "stubborn-daemon", "subreaper"], 6),
        Level::BestEffort => (&["well-behaved", "stopped"], 3),
        Level::Unsupported => {
            let why = "the backend says that tasks do not end with the harness";
            return Err(NotPassed::Skipped(why.into()));
        }
    };
    let harness = Harness::start(scene, workloads).await?;
    scene.ready(count).await?;
    require!(scene.witness.gone().is_err(), "the harness's tasks are gone before it died");
    Ok(harness)
}

async fn killed(scene: Arc<Scene>) -> Checked {
    let mut harness = harness(&scene).await?;
    harness.kill()?;
    Ok(scene.witness.gone_within(SOON).await?)
}

async fn exits(scene: Arc<Scene>) -> Checked {
    let mut harness = harness(&scene).await?;
    harness.let_exit()?;
    Ok(scene.witness.gone_within(SOON).await?)
}

async fn stopped(scene: Arc<Scene>) -> Checked {
    let mut harness = harness(&scene).await?;
    let before = scene.witness.living().len();
    harness.signal(Signal::STOP)?;
    lives_on(&scene, before, Duration::from_millis(300)).await?;
    harness.signal(Signal::CONT)?;
    lives_on(&scene, before, Duration::from_millis(50)).await?;
    harness.kill()?;
    Ok(scene.witness.gone_within(SOON).await?)
}

/// Asserts that for this long none of `count` processes ends.
async fn lives_on(scene: &Scene, count: usize, long: Duration) -> Checked {
    let until = Instant::now() + long;
    while Instant::now() < until {
        let living = scene.witness.living().len();
        require!(living == count, "{living} of {count} are alive, and nobody ended them");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn dropped(scene: Arc<Scene>) -> Checked {
    if scene.level(Capability::EndWithHarness) == Level::Unsupported {
        let why = "the backend says that tasks do not end with the harness";
        return Err(NotPassed::Skipped(why.into()));
    }
    let own = scene.with_witness(scene.enrolment.make()?)?;
    drop(own.start_ready("well-behaved", &[], 1).await?);
    drop(own);
    Ok(scene.witness.gone_within(SOON).await?)
}

/// A thread with a runtime of its own makes the spawner, starts the task, and ends.
async fn thread(scene: Arc<Scene>) -> Checked {
    let (enrolment, spec) = (scene.enrolment.clone(), scene.spec("well-behaved", [""; 0]));
    let watching = Arc::clone(&scene);
    let started = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let spawner = enrolment.make()?;
            let task = spawner.spawn_task(&spec).await?;
            watching.ready(1).await?;
            Checked::Ok((spawner, task))
        })
    });
    let joined =
        tokio::task::spawn_blocking(move || started.join()).await.map_err(|error| error.to_string())?;
    let (spawner, task) = joined.map_err(|_| "the thread panicked".to_owned())??;
    let own = scene.with_witness(spawner)?;
    lives_on(&own, 1, Duration::from_millis(200)).await?;
    let state = own.spawner.task_state(&task).await?;
    require!(state == TaskState::Running, "its thread ended, and the task is said to be {state:?}");
    own.end(&task, &patient()).await.map(drop)
}
