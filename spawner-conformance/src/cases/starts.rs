//! Starts that cannot work: each has its own error, and nothing is started.

use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{ErrorKind, TaskSpec};

use super::platform;
use crate::case::{Case, Checked, case, require};
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(missing, "a-program-that-is-not-there-is-not-found", [ExactExit]),
    case!(not_executable, "a-file-without-permission-cannot-be-executed", [ExactExit]),
    case!(folder, "a-folder-cannot-be-executed", [ExactExit]),
    case!(nonsense, "a-specification-that-makes-no-sense-is-refused", [ExactExit]),
    case!(no_folder, "a-working-directory-that-is-not-there-is-an-error", [ExactExit]),
    case!(too_long, "too-many-arguments-are-an-error", [ExactExit]),
    case!(abandoned, "an-abandoned-start-leaves-nothing", [EndEverything]),
];

fn null(scene: &Scene, mut spec: TaskSpec) -> TaskSpec {
    spec.stdin = spawner_core::Input::Null;
    scene.placed(spec.stdout(spawner_core::Output::Null).stderr(spawner_core::Output::Null))
}

async fn missing(scene: Arc<Scene>) -> Checked {
    for name in [platform::NOWHERE, "spawner-no-such-program"] {
        // A folder on the path that may not be searched would be another error.
        let spec = null(&scene, TaskSpec::new([name])).env("PATH", "/usr/bin:/bin");
        scene.fails(&spec, &[ErrorKind::ProgramNotFound]).await?;
    }
    Ok(())
}

async fn not_executable(scene: Arc<Scene>) -> Checked {
    let file = scene.path("plain");
    std::fs::write(&file, "no program\n")?;
    scene.fails(&null(&scene, TaskSpec::new([&file])), &[ErrorKind::NotExecutable]).await
}

async fn folder(scene: Arc<Scene>) -> Checked {
    scene.fails(&null(&scene, TaskSpec::new(["/"])), &[ErrorKind::NotExecutable]).await
}

async fn nonsense(scene: Arc<Scene>) -> Checked {
    for spec in [
        TaskSpec::new([""; 0]),
        TaskSpec::new([""]),
        scene.spec("well-behaved", ["a\0b"]),
        scene.spec("well-behaved", [""; 0]).env("A=B", "c"),
        scene.spec("well-behaved", [""; 0]).env("A", "b\0"),
    ] {
        scene.fails(&spec, &[ErrorKind::InvalidSpec]).await?;
    }
    Ok(())
}

async fn no_folder(scene: Arc<Scene>) -> Checked {
    let spec = scene.spec("well-behaved", [""; 0]).cwd(platform::NOWHERE);
    let Err(error) = scene.spawner.spawn_task(&spec).await else {
        scene.fails(&spec, &[ErrorKind::Io]).await?;
        return Ok(());
    };
    require!(error.kind() != ErrorKind::ProgramNotFound, "the program is there, the folder is not: {error}");
    require!(error.to_string().contains(platform::NOWHERE), "the error does not name the folder: {error}");
    scene.fails(&spec, &[error.kind()]).await
}

async fn too_long(scene: Arc<Scene>) -> Checked {
    let long = "x".repeat(100_000);
    let spec = scene.spec("well-behaved", std::iter::repeat_n(long, 100));
    let kinds = [ErrorKind::InvalidSpec, ErrorKind::Exhausted, ErrorKind::Io, ErrorKind::NotExecutable];
    scene.fails(&spec, &kinds).await
}

/// The future of a start is dropped after ever longer times, so that every step of it is hit.
async fn abandoned(scene: Arc<Scene>) -> Checked {
    let spec = scene.spec("well-behaved", [""; 0]);
    let at_once = spawner_core::Teardown::at_once();
    // The start of a container takes so much longer.
    let step_length = Duration::from_micros(if scene.contained() { 6000 } else { 100 });
    for step in 0..30 {
        let start = scene.spawner.spawn_task(&spec);
        if let Ok(task) = tokio::time::timeout(step_length * step, start).await {
            let outcome = scene.spawner.destroy_task(&task?, &at_once).await;
            require!(outcome.is_clean() || !scene.must_be_clean(), "not clean: {outcome}");
        }
    }
    // An abandoned start may still be on its way up when nothing is seen for the first time.
    let settled = Instant::now() + Duration::from_millis(300);
    while scene.must_be_clean() && Instant::now() < settled {
        scene.witness.gone_within(Duration::from_secs(10)).await?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    scene.containers_gone().await?;
    for outcome in scene.spawner.abandoned() {
        let clean = outcome.is_clean() || !scene.must_be_clean();
        require!(clean, "an abandoned start was not cleaned up: {outcome}");
    }
    Ok(())
}
