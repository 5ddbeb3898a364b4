//! What becomes of a task when its harness dies, stops, or ends a thread.

use std::sync::Arc;
use std::time::Duration;

use spawner_core::{Capability, TaskState, Teardown};

use super::aftermath::{Own, Party, level, party, swept_in_the_end};
use super::detach::patient;
use super::platform;
use crate::case::{Case, Checked, case, require};
use crate::harness::{Death, Harness, has_died_so};
use crate::host::Need;
use crate::scene::Scene;
use crate::witness::Blow;

pub(super) const CASES: &[Case] = &[
    case!(killed, "a-killed-harness-leaves-nothing", [EndWithHarness]),
    case!(panics, "a-harness-that-panics-leaves-nothing", [EndWithHarness]),
    case!(aborts, "a-harness-that-aborts-leaves-nothing", [EndWithHarness]),
    case!(exits, "a-harness-that-just-exits-leaves-nothing", [EndWithHarness]),
    case!(returns, "a-harness-whose-main-returns-leaves-nothing", [EndWithHarness]),
    case!(platform::out_of_memory, "a-harness-that-runs-out-of-memory-leaves-nothing", [EndWithHarness])
        .needs(&[Need::Unix("who wants too much memory is refused it, and not ended"), Need::MemoryGroup]),
    case!(platform::group, "a-harness-killed-with-its-process-group-leaves-nothing", [EndWithHarness])
        .needs(&[Need::Unix("nothing kills a process group")]),
    case!(platform::session, "a-harness-killed-with-its-session-leaves-nothing", [EndWithHarness])
        .needs(&[Need::Unix("no process leads a session of its own")]),
    case!(spawning, "a-harness-killed-while-it-starts-and-destroys-leaves-nothing", [EndWithHarness]),
    case!(asking, "a-harness-killed-while-it-waits-for-a-grace-leaves-nothing", [EndWithHarness]),
    case!(forcing, "a-harness-killed-while-it-uses-force-leaves-nothing", [EndWithHarness]),
    case!(stopped, "a-stopped-harness-is-not-a-dead-one", [EndWithHarness, ProveClean]),
    case!(dropped, "what-a-dropped-backend-had-is-ended", [EndWithHarness]),
    case!(thread, "a-task-outlives-the-thread-that-started-it", [EndWithHarness, ProveClean]),
    case!(inner_thread, "a-harness-thread-that-ends-ends-no-task", [EndWithHarness, ProveClean]),
];

async fn killed(scene: Arc<Scene>) -> Checked {
    let mut party = party(&scene, Capability::EndWithHarness).await?;
    let groups = party.groups();
    party.harness.kill()?;
    party.nothing_left(&scene, &groups, scene.soon()).await
}

/// Has the harness die by its own hand.
async fn dies(scene: &Scene, how: Death) -> Checked {
    let mut party = party(scene, Capability::EndWithHarness).await?;
    let groups = party.groups();
    let status = party.harness.die(how).await?;
    require!(has_died_so(how, status), "the harness was to die by {how:?}, and it did so with {status}");
    party.nothing_left(scene, &groups, scene.soon()).await
}

async fn panics(scene: Arc<Scene>) -> Checked {
    dies(&scene, Death::Panic).await
}

async fn aborts(scene: Arc<Scene>) -> Checked {
    dies(&scene, Death::Abort).await
}

async fn exits(scene: Arc<Scene>) -> Checked {
    dies(&scene, Death::Exit).await
}

async fn returns(scene: Arc<Scene>) -> Checked {
    dies(&scene, Death::Return).await
}

/// Kills harnesses at moments that are spread over the starting and destroying of three tasks at a time.
async fn spawning(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::EndWithHarness)?;
    let step = Duration::from_micros(if scene.contained() { 40_000 } else { 1700 });
    for moment in 0..8 {
        let mut party = Party { harness: Harness::start(&scene)?, tasks: Vec::new() };
        party.harness.churn(scene.spec("well-behaved", [""; 0])).await?;
        tokio::time::sleep(step * moment).await;
        let groups = party.groups();
        party.harness.kill()?;
        scene.witness.gone_within(scene.soon()).await?;
        if scene.contained() {
            scene.containers_gone().await?;
            swept_in_the_end(&scene).await?;
        }
        party.nothing_left(&scene, &groups, scene.soon()).await?;
    }
    Ok(())
}

async fn asking(scene: Arc<Scene>) -> Checked {
    let mut party = party(&scene, Capability::EndWithHarness).await?;
    let groups = party.groups();
    let graceful = Teardown::default().grace(Duration::from_secs(20));
    for index in 0..party.tasks.len() {
        party.harness.begin_to_destroy(party.tasks[index].record.id, &graceful).await?;
    }
    party.harness.kill()?;
    party.nothing_left(&scene, &groups, scene.soon()).await
}

async fn forcing(scene: Arc<Scene>) -> Checked {
    let mut party = party(&scene, Capability::EndWithHarness).await?;
    let groups = party.groups();
    for index in 0..party.tasks.len() {
        party.harness.begin_to_destroy(party.tasks[index].record.id, &Teardown::at_once()).await?;
    }
    party.harness.kill()?;
    party.nothing_left(&scene, &groups, scene.soon()).await
}

async fn stopped(scene: Arc<Scene>) -> Checked {
    let mut party = party(&scene, Capability::EndWithHarness).await?;
    let before = party.living();
    party.harness.suffer(Blow::Stop)?;
    party.lives_on(before, Duration::from_millis(300)).await?;
    party.harness.suffer(Blow::Continue)?;
    party.lives_on(before, Duration::from_millis(50)).await?;
    party.destroy_all(false).await?;
    // And one that goes on dies as any other.
    party.spawn(&scene, "well-behaved", 1).await?;
    let groups = party.groups();
    party.harness.kill()?;
    party.nothing_left(&scene, &groups, scene.soon()).await
}

async fn dropped(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::EndWithHarness)?;
    let own = scene.with_witness(scene.enrolment.make()?)?;
    drop(own.start_ready("well-behaved", &[], 1).await?);
    drop(own);
    scene.witness.gone_within(scene.soon()).await?;
    scene.containers_gone().await
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
    let until = std::time::Instant::now() + Duration::from_millis(200);
    while std::time::Instant::now() < until {
        let living = own.witness.living().len();
        require!(living == 1, "{living} of 1 are alive, and nobody ended them");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let state = own.spawner.task_state(&task).await?;
    require!(state == TaskState::Running, "its thread ended, and the task is said to be {state:?}");
    own.end(&task, &patient()).await.map(drop)
}

/// The first task of a harness is started by a thread that ends, so that helpers come from it too.
async fn inner_thread(scene: Arc<Scene>) -> Checked {
    let mut harness = Harness::start(&scene)?;
    let own = scene.another()?;
    let record = harness.spawn_on_a_thread(own.spec("ignores-term", [""; 0])).await?;
    own.ready(2).await?;
    let mut party = Party { harness, tasks: vec![Own { scene: own, record }] };
    party.lives_on(2, Duration::from_millis(300)).await?;
    party.destroy_all(false).await?;
    party.spawn(&scene, "well-behaved", 1).await?;
    party.destroy_all(false).await?;
    party.harness.kill()?;
    party.nothing_left(&scene, &std::collections::BTreeSet::new(), scene.later()).await
}
