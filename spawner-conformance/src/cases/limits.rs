//! Limits hold or are refused; usage is what was used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{Capability, ErrorKind, Exit, Level, Limits, Task, TaskSpec, Teardown};

use super::detach::patient;
use crate::case::{Case, Checked, case, require};
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(memory, "memory-is-limited-and-running-out-is-told", [LimitMemory]),
    case!(memory_below, "a-task-below-its-memory-limit-is-left-alone", [LimitMemory]),
    case!(pids, "processes-are-limited", [LimitPids]),
    case!(storm, "a-fork-storm-at-the-pids-limit-is-ended", [LimitPids, EndForkStorm]),
    case!(cpu, "cpu-time-is-limited", [LimitCpu]),
    case!(usage, "usage-is-what-was-used", [Usage]),
    case!(peak, "peak-memory-is-what-was-used", [Usage]),
];

const MIB: u64 = 1 << 20;

/// Starts a task with a limit. `None` where the backend rightly refuses it: here, or anywhere.
async fn limited(scene: &Scene, limit: Capability, spec: &TaskSpec) -> Checked<Option<Task>> {
    if scene.refuses(limit, spec).await? {
        return Ok(None);
    }
    match scene.spawner.spawn_task(spec).await {
        Err(error) if error.kind() == ErrorKind::Unsupported(limit) && !scene.guaranteed(limit) => {
            scene.fails(spec, &[ErrorKind::Unsupported(limit)]).await?;
            Ok(None)
        }
        started => Ok(Some(started?)),
    }
}

async fn memory(scene: Arc<Scene>) -> Checked {
    let limits = Limits { memory: Some(48 * MIB), ..Limits::default() };
    let spec = scene.spec("eats", ["300"]).limits(limits);
    let Some(task) = limited(&scene, Capability::LimitMemory, &spec).await? else { return Ok(()) };
    scene.wait_for(&task, &Exit::OutOfMemory).await?;
    scene.end(&task, &patient()).await.map(drop)
}

async fn memory_below(scene: Arc<Scene>) -> Checked {
    let limits = Limits { memory: Some(128 * MIB), ..Limits::default() };
    let spec = scene.spec("eats", ["32"]).limits(limits);
    let Some(task) = limited(&scene, Capability::LimitMemory, &spec).await? else { return Ok(()) };
    scene.wait_for(&task, &Exit::Exited { code: 9 }).await?;
    scene.end(&task, &patient()).await.map(drop)
}

const PIDS: u64 = 30;

async fn pids(scene: Arc<Scene>) -> Checked {
    let limits = Limits { pids: Some(PIDS), ..Limits::default() };
    let spec = scene.spec("fills", ["120"]).limits(limits);
    let Some(task) = limited(&scene, Capability::LimitPids, &spec).await? else { return Ok(()) };
    let done = scene.path("lock.done");
    let give_up = Instant::now() + Duration::from_secs(10);
    while !done.exists() {
        require!(Instant::now() < give_up, "the workload did not come to its limit");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let made = scene.witness.ready() + 1;
    drop(scene.end(&task, &Teardown::at_once()).await?);
    require!(made <= PIDS, "{made} processes were made, and {PIDS} are allowed");
    require!(made >= PIDS / 2, "only {made} processes could be made, and {PIDS} are allowed");
    Ok(())
}

async fn storm(scene: Arc<Scene>) -> Checked {
    let limits = Limits { pids: Some(PIDS), ..Limits::default() };
    let spec = scene.spec("fork-storm", [""; 0]).limits(limits);
    let Some(task) = limited(&scene, Capability::LimitPids, &spec).await? else { return Ok(()) };
    scene.ready(1).await?;
    let until = Instant::now() + Duration::from_millis(300);
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(scene.witness.living().len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(scene.end(&task, &patient().grace(Duration::from_millis(100))).await?);
    let allowed = usize::try_from(PIDS).unwrap_or(usize::MAX);
    // A scan takes time, in which one process may end and another begin: both are seen.
    require!(most <= allowed * 2, "{most} processes were seen, and {allowed} are allowed");
    Ok(())
}

/// Runs `burns`, and gives how many milliseconds of CPU it says that it had.
async fn burnt(scene: &Scene, task: &Task) -> Checked<u64> {
    scene.wait_for(task, &Exit::Exited { code: 0 }).await?;
    let said = std::fs::read_to_string(scene.path("burnt"))?;
    Ok(said.parse().map_err(|_| format!("the workload wrote {said:?}"))?)
}

async fn cpu(scene: Arc<Scene>) -> Checked {
    let limits = Limits { cpus: Some(0.25), ..Limits::default() };
    let file = scene.path("burnt").into_os_string();
    let spec = scene.spec("burns", ["wall".into(), "1200".into(), file]).limits(limits);
    let Some(task) = limited(&scene, Capability::LimitCpu, &spec).await? else { return Ok(()) };
    let had = burnt(&scene, &task).await?;
    drop(scene.end(&task, &patient()).await?);
    // A quarter of 1200 ms is 300; periods are 100 ms long.
    require!(had <= 450, "{had} ms of CPU were had in 1200 ms with a limit of a quarter");
    Ok(())
}

async fn usage(scene: Arc<Scene>) -> Checked {
    let file = scene.path("burnt").into_os_string();
    let task = scene.spawner.spawn_task(&scene.spec("burns", ["cpu".into(), "250".into(), file])).await?;
    let had = Duration::from_millis(burnt(&scene, &task).await?);
    let outcome = scene.end(&task, &patient()).await?;
    let level = scene.level(Capability::Usage);
    let Some(usage) = outcome.usage() else {
        require!(level != Level::Guaranteed, "usage is guaranteed, and none is reported");
        return Ok(());
    };
    let told = usage.cpu_user + usage.cpu_system;
    require!(
        told >= had.saturating_sub(Duration::from_millis(30)),
        "{told:?} of {had:?} of CPU are reported"
    );
    require!(told <= had + Duration::from_millis(200), "{told:?} of CPU are reported, and {had:?} were used");
    Ok(())
}

async fn peak(scene: Arc<Scene>) -> Checked {
    let task = scene.start("eats", &["64"]).await?;
    scene.wait_for(&task, &Exit::Exited { code: 9 }).await?;
    let outcome = scene.end(&task, &patient()).await?;
    if let Some(peak) = outcome.usage().and_then(|usage| usage.peak_memory) {
        let mib = peak / MIB;
        require!((60..200).contains(&mib), "{mib} MiB are reported as the peak, and 64 were used");
    }
    Ok(())
}
