//! What only befalls containers: somebody pauses, removes, enters or renames them behind the backend's back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{Capability, Exit, Output, Task, TaskSpec, Teardown};

use super::detach::patient;
use super::platform;
use super::view::told;
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::mischief;
use crate::scene::Scene;
use crate::witness::{Engine, LABEL, Witness};

pub(super) const CASES: &[Case] = &[
    case!(paused, "a-paused-container-hears-the-request", [Container, EndEverything, AskFirst]),
    case!(paused_by_force, "a-paused-container-is-ended-by-force", [Container, EndEverything]),
    case!(entered, "an-open-exec-session-is-ended", [Container, EndEverything, ProveClean]),
    case!(removed, "a-container-removed-behind-the-back-is-lost-at-once", [Container, ExactExit]),
    case!(removed_idle, "a-container-removed-before-it-is-destroyed-is-gone", [Container, ProveClean]),
    case!(killed, "a-container-killed-behind-the-back-is-told", [Container, ExactExit]),
    case!(renamed, "a-renamed-container-is-found-all-the-same", [Container, EndEverything]),
    case!(restarted, "a-restart-policy-of-somebody-else-revives-nothing", [Container, EndEverything]),
    case!(network, "a-container-without-network-has-none", [Container]),
    case!(init, "an-init-passes-requests-on-and-reaps", [Container, AskFirst]),
    case!(no_init, "without-an-init-the-task-is-the-first-process", [Container]),
    case!(wishes, "user-volumes-and-labels-are-as-the-task-wants", [Container]),
];

/// How soon what was done behind the back must be noticed.
const NOTICED: Duration = Duration::from_secs(5);

/// A task with wishes of its own for its container. Where there are none: asserts that it is refused.
async fn started(scene: &Scene, workload: &str, count: u64) -> Checked<Option<(Task, Engine, String)>> {
    let mut spec = scene.spec(workload, [""; 0]);
    spec.container.labels.insert(LABEL.into(), scene.witness.token().into());
    if scene.refuses(Capability::Container, &spec).await? {
        return Ok(None);
    }
    let task = scene.spawner.spawn_task(&spec).await?;
    scene.ready(count).await?;
    let engine = scene.enrolment.engine().clone();
    let id = engine.container(scene.witness.token())?;
    Ok(Some((task, engine, id)))
}

/// Pauses a container; skips the case where the engine cannot.
async fn pause(scene: &Scene, task: &Task, engine: &Engine, id: &str) -> Checked {
    if let Err(why) = engine.ask(&["pause", id]) {
        drop(scene.end(task, &Teardown::at_once()).await?);
        return Err(NotPassed::Skipped(format!("this engine pauses nothing: {why}")));
    }
    Ok(())
}

async fn paused(scene: Arc<Scene>) -> Checked {
    let Some((task, engine, id)) = started(&scene, "takes-its-grace", 1).await? else { return Ok(()) };
    pause(&scene, &task, &engine, &id).await?;
    let outcome = scene.end(&task, &patient()).await?;
    if scene.guaranteed(Capability::AskFirst) {
        require!(!outcome.escalated(), "a paused task did not hear the request");
        scene.wait_for(&task, &Exit::Exited { code: 42 }).await?;
    }
    Ok(())
}

async fn paused_by_force(scene: Arc<Scene>) -> Checked {
    let Some((task, engine, id)) = started(&scene, "ignores-term", 2).await? else { return Ok(()) };
    pause(&scene, &task, &engine, &id).await?;
    let outcome = scene.end(&task, &Teardown::at_once()).await?;
    require!(outcome.escalated(), "a paused task that ignores requests was ended without force");
    Ok(())
}

/// The command line by which somebody runs a workload in a task's container.
fn enter<'a>(scene: &'a Scene, id: &'a str, program: &'a str, lock: &'a str) -> Vec<&'a str> {
    let token = scene.witness.token();
    vec!["exec", "--detach", id, program, mischief::ARGUMENT, "ignores-term", lock, token]
}

async fn entered(scene: Arc<Scene>) -> Checked {
    let Some((task, engine, id)) = started(&scene, "ignores-term", 2).await? else { return Ok(()) };
    let (program, lock) = (scene.program().to_string_lossy(), scene.witness.lock().to_string_lossy());
    engine.ask(&enter(&scene, &id, &program, &lock))?;
    scene.ready(4).await?;
    let outcome = scene.end(&task, &patient().grace(Duration::from_millis(300))).await?;
    require!(outcome.escalated(), "what ignores requests was ended without force");
    Ok(())
}

/// The waiting is told at once, and destroying proves what is so.
async fn removed(scene: Arc<Scene>) -> Checked {
    let Some((task, engine, id)) = started(&scene, "ignores-term", 2).await? else { return Ok(()) };
    let spawner = Arc::clone(&scene.spawner);
    let waited = task.clone();
    let waiting = tokio::spawn(async move { spawner.wait_task(&waited).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    engine.ask(&["rm", "--force", &id])?;
    let Ok(exit) = tokio::time::timeout(NOTICED, waiting).await else {
        return Err(NotPassed::Failed(format!(
            "the container was removed, and {NOTICED:?} later it is waited for"
        )));
    };
    let exit = exit.map_err(|error| error.to_string())??;
    // The kernel may have told of the end before the engine could not tell of it any more.
    let known = matches!(exit, Exit::Lost { .. }) || platform::is_killed(&exit);
    require!(known, "the container was removed by force, and the task {exit}");
    let outcome = scene.end(&task, &patient()).await?;
    require!(!outcome.escalated(), "force was used on a container that was gone");
    Ok(())
}

async fn removed_idle(scene: Arc<Scene>) -> Checked {
    let Some((task, engine, id)) = started(&scene, "well-behaved", 1).await? else { return Ok(()) };
    engine.ask(&["rm", "--force", &id])?;
    let began = Instant::now();
    let outcome = scene.end(&task, &patient()).await?;
    require!(began.elapsed() < NOTICED, "destroying what is gone took {:?}", began.elapsed());
    require!(!outcome.escalated(), "force was used on a container that was gone");
    Ok(())
}

async fn killed(scene: Arc<Scene>) -> Checked {
    let Some((task, engine, id)) = started(&scene, "ignores-term", 2).await? else { return Ok(()) };
    engine.ask(&["kill", "--signal", "KILL", &id])?;
    let exit = scene.wait(&task).await?;
    let killed = platform::is_killed(&exit);
    require!(killed, "somebody killed the container, and the task {exit}");
    let outcome = scene.end(&task, &patient()).await?;
    if scene.is_first().await? {
        require!(!outcome.escalated(), "force was used on a container that had ended");
    }
    Ok(())
}

async fn renamed(scene: Arc<Scene>) -> Checked {
    let Some((task, engine, id)) = started(&scene, "ignores-term", 2).await? else { return Ok(()) };
    engine.ask(&["rename", &id, &format!("renamed-{}", scene.witness.token())])?;
    scene.end(&task, &patient().grace(Duration::from_millis(100))).await.map(drop)
}

/// The container comes back to life when its first process ends, unless it is removed.
async fn restarted(scene: Arc<Scene>) -> Checked {
    let Some((task, engine, id)) = started(&scene, "takes-its-grace", 1).await? else { return Ok(()) };
    if let Err(why) = engine.ask(&["update", "--restart", "always", &id]) {
        drop(scene.end(&task, &patient()).await?);
        return Err(NotPassed::Skipped(format!("this engine changes no restart policy: {why}")));
    }
    drop(scene.end(&task, &patient()).await?);
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        scene.witness.gone()?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = engine.containers(scene.witness.token())?;
    require!(left.is_empty(), "the container came back: {left:?}");
    Ok(())
}

/// A task with a wish. `None` where the backend rightly refuses it.
async fn wish(
    scene: &Scene,
    wish: impl FnOnce(&mut TaskSpec),
    mut spec: TaskSpec,
) -> Checked<Option<TaskSpec>> {
    wish(&mut spec);
    Ok(if scene.refuses(Capability::Container, &spec).await? { None } else { Some(spec) })
}

async fn network(scene: Arc<Scene>) -> Checked {
    let spec = scene.script("sh", "ls /sys/class/net", &[]);
    let none = |spec: &mut TaskSpec| spec.container.network = Some("none".into());
    let Some(spec) = wish(&scene, none, spec).await? else { return Ok(()) };
    let seen = told(&scene, spec).await?;
    require!(seen == b"lo\n", "a task without network sees {:?}", String::from_utf8_lossy(&seen));
    Ok(())
}

/// The witness sees the numbers that a process has inside; the init is number 1.
async fn init(scene: Arc<Scene>) -> Checked {
    let with = |spec: &mut TaskSpec| spec.container.init = Some(true);
    let up = scene.path("up");
    let script = "trap 'exit 42' TERM; echo >\"$1\"; sleep 30 & wait";
    let spec = scene.script("sh", script, &[&up.to_string_lossy()]);
    let Some(spec) = wish(&scene, with, spec).await? else { return Ok(()) };
    let task = scene.spawner.spawn_task(&spec).await?;
    let give_up = Instant::now() + Duration::from_secs(10);
    while !up.exists() {
        require!(Instant::now() < give_up, "the task did not come up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let living = scene.witness.living();
    let own = living.iter().filter(|one| one.what == "sh").map(|one| Witness::pid_inside(one.pid));
    let own: Vec<_> = own.collect();
    let outcome = scene.end(&task, &patient()).await?;
    if scene.is_first().await? {
        let behind = !own.is_empty() && !own.contains(&Some(1));
        require!(behind, "an init should be the first process, and the task's numbers are {own:?}");
    }
    if scene.guaranteed(Capability::AskFirst) {
        require!(!outcome.escalated(), "the init did not pass the request on");
        scene.wait_for(&task, &Exit::Exited { code: 42 }).await?;
    }
    Ok(())
}

async fn no_init(scene: Arc<Scene>) -> Checked {
    let without = |spec: &mut TaskSpec| spec.container.init = Some(false);
    let spec = scene.spec("well-behaved", [""; 0]);
    let Some(spec) = wish(&scene, without, spec).await? else { return Ok(()) };
    let task = scene.spawner.spawn_task(&spec).await?;
    scene.ready(1).await?;
    let inside: Vec<_> =
        scene.witness.living().iter().filter_map(|one| Witness::pid_inside(one.pid)).collect();
    drop(scene.end(&task, &patient()).await?);
    let first = if scene.is_first().await? { inside == [1] } else { !inside.contains(&1) };
    require!(first, "without an init the task's numbers are {inside:?}");
    Ok(())
}

async fn wishes(scene: Arc<Scene>) -> Checked {
    let (folder, output) = (scene.path("read only"), scene.path("told"));
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("told"), "from the host\n")?;
    // Another user has to take the lock.
    std::fs::write(scene.witness.lock(), "")?;
    platform::open_to_everybody(scene.witness.lock())?;
    let all = |spec: &mut TaskSpec| {
        spec.container.user = Some("12:34".into());
        spec.container.volumes.push(format!("{}:/wished:ro", folder.display()));
        spec.container.labels.insert("a.wish".into(), "heard = yes".into());
    };
    let script = "id -u; id -g; cat /wished/told; echo x 2>&1 >/wished/new | grep -c Read-only";
    let spec = scene.script("sh", script, &[]).stdout(Output::File { path: output.clone(), append: false });
    let Some(spec) = wish(&scene, all, spec).await? else { return Ok(()) };
    let task = scene.spawner.spawn_task(&spec).await?;
    drop(scene.wait(&task).await?);
    let engine = scene.enrolment.engine();
    let id = engine.container(scene.witness.token())?;
    let label = engine.ask(&["inspect", "--format", "{{index .Config.Labels \"a.wish\"}}", &id])?;
    drop(scene.end(&task, &patient()).await?);
    let seen = std::fs::read_to_string(output)?;
    require!(seen == "12\n34\nfrom the host\n1\n", "the task saw {seen:?}");
    require!(label == "heard = yes", "the container's label is {label:?}");
    Ok(())
}
