//! What a task leaves behind when its main process ends, however it is hidden.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use spawner_core::{Capability, CleanupOutcome, Exit, Teardown};

use super::platform;
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::host::Need;
use crate::judge;
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(background, "background-children-are-ended-and-told", [EndEverything, NameLeftBehind]),
    case!(finishes, "what-finishes-within-its-linger-is-not-left-behind", [NameLeftBehind, ProveClean]),
    case!(set_sid, "another-session-is-no-way-out", [EndEverything, NameLeftBehind]),
    case!(daemon, "a-double-forked-daemon-is-ended", [EndEverything, NameLeftBehind]),
    case!(no_environment, "an-empty-environment-is-no-way-out", [EndEverything]),
    case!(subreaper, "a-subreaper-of-the-task-s-own-is-ended-with-its-daemon", [EndEverything])
        .needs(&[Need::Unix("an orphan falls to nobody")]),
    case!(pid_namespace, "a-pid-namespace-of-the-task-s-own-is-ended", [EndEverything])
        .needs(&[Need::PidNamespaces]),
    case!(undumpable, "an-undumpable-daemon-is-ended", [EndEverything])
        .needs(&[Need::Unix("no process is undumpable"), Need::OpenProc]),
    case!(dead_leader, "a-dead-first-thread-hides-nothing", [EndEverything, NameLeftBehind]),
    case!(hostile_name, "a-hostile-name-misleads-nobody", [EndEverything, NameLeftBehind])
        .needs(&[Need::Unix("a process is named after its file, and gives itself no name")]),
    case!(zombies, "zombies-are-not-left-behind", [NameLeftBehind, ProveClean]),
];

/// A teardown with time enough for a busy machine, and a linger short enough for a test.
pub(super) fn patient() -> Teardown {
    Teardown::default().grace(platform::GRACE).linger(Duration::from_millis(60))
}

/// Runs a workload whose main process ends, and asserts that `count` processes were left behind by it; none where
/// the end of the main process is the end of all.
pub(super) async fn leaves(
    scene: &Scene,
    workload: &str,
    args: &[&str],
    count: usize,
    code: i32,
) -> Checked<CleanupOutcome> {
    let task = scene.start(workload, args).await?;
    scene.wait_for(&task, &Exit::Exited { code }).await?;
    let alive: HashSet<u32> = scene.witness.living().into_iter().map(|living| living.pid).collect();
    let count = if scene.is_first().await? { 0 } else { count };
    require!(alive.len() == count, "the workload left {} processes and not {count}", alive.len());
    let outcome = scene.end(&task, &patient()).await?;
    judge::left_behind(scene, &outcome, count, &alive)?;
    if scene.must_be_clean() && scene.guaranteed(Capability::AskFirst) {
        require!(!outcome.escalated(), "force was used on what ends when asked");
    }
    Ok(outcome)
}

async fn background(scene: Arc<Scene>) -> Checked {
    leaves(&scene, "background", &[], 2, 7).await.map(drop)
}

async fn finishes(scene: Arc<Scene>) -> Checked {
    let task = scene.start("background-finishes", &[]).await?;
    scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
    let linger = Duration::from_secs(4);
    let outcome = scene.end(&task, &patient().linger(linger)).await?;
    require!(!outcome.escalated(), "force was used on what finished by itself");
    if scene.guaranteed(Capability::NameLeftBehind) {
        let left = outcome.left_behind();
        require!(left.is_empty(), "finished within the linger, and yet left behind: {left:?}");
    }
    if scene.must_be_clean() {
        require!(outcome.elapsed() < linger / 2, "the linger was waited for, although nothing was left");
    }
    Ok(())
}

async fn set_sid(scene: Arc<Scene>) -> Checked {
    leaves(&scene, "setsid", &[], 1, 0).await.map(drop)
}

async fn daemon(scene: Arc<Scene>) -> Checked {
    leaves(&scene, "daemon", &[], 1, 0).await.map(drop)
}

async fn no_environment(scene: Arc<Scene>) -> Checked {
    scene.needs_proc().await?;
    leaves(&scene, "environment-cleared", &[], 1, 0).await.map(drop)
}

async fn subreaper(scene: Arc<Scene>) -> Checked {
    leaves(&scene, "subreaper", &[], 2, 0).await.map(drop)
}

async fn pid_namespace(scene: Arc<Scene>) -> Checked {
    // The first process of a namespace hears no request that it has no handler for: force is right.
    let task = scene.start("pid-namespace", &[]).await?;
    let exit = scene.wait(&task).await?;
    if scene.contained() && exit == (Exit::Exited { code: 65 }) {
        drop(scene.end(&task, &patient()).await?);
        let why = "no pid namespace can be made within a container of this engine";
        return Err(NotPassed::Skipped(why.into()));
    }
    require!(exit.success(), "the workload did not come up: the task {exit}");
    let alive: HashSet<u32> = scene.witness.living().into_iter().map(|living| living.pid).collect();
    let count = if scene.is_first().await? { 0 } else { 3 };
    require!(alive.len() == count, "the workload left {} processes and not {count}", alive.len());
    let outcome = scene.end(&task, &patient().grace(Duration::from_millis(200))).await?;
    judge::left_behind(&scene, &outcome, count, &alive)
}

async fn undumpable(scene: Arc<Scene>) -> Checked {
    leaves(&scene, "undumpable", &[], 1, 0).await.map(drop)
}

async fn dead_leader(scene: Arc<Scene>) -> Checked {
    scene.needs_proc().await?;
    leaves(&scene, "dead-leader", &[], 1, 0).await.map(drop)
}

async fn hostile_name(scene: Arc<Scene>) -> Checked {
    scene.needs_proc().await?;
    let outcome = leaves(&scene, "hostile-name", &[], 2, 0).await?;
    for resource in outcome.left_behind() {
        let name = resource.name.as_deref().unwrap_or_default();
        let mangled = name.starts_with(' ') || name.ends_with(' ');
        require!(!mangled, "the name was cut out of the wrong place: {name:?}");
    }
    Ok(())
}

async fn zombies(scene: Arc<Scene>) -> Checked {
    leaves(&scene, "zombies", &[], 0, 0).await.map(drop)
}
