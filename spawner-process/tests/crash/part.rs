//! The parts that this program plays when it was started again: harnesses, and one that sweeps.

use std::process::ExitCode;

use spawner_core::{Input, Output, Result, Spawner, TaskSpec, Teardown};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};
use tokio::io::AsyncReadExt as _;

/// Says which part.
pub(crate) const PART: &str = "SPAWNER_CRASH_PART";
/// Names the file that everything of a task holds locked.
pub(crate) const LOCK: &str = "SPAWNER_CRASH_LOCK";

/// Three processes, of which one has a session of its own; all of them hold the lock.
const TASK: &str =
    r#"exec 9>>"$SPAWNER_CRASH_LOCK"; flock -s 9; setsid sleep 60 & sleep 60 & echo . >&9; echo ready; wait"#;

pub(crate) fn play_if_asked() -> Option<ExitCode> {
    let part = std::env::var(PART).ok()?;
    // The tracer takes hold of it here.
    if part == "traced" {
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::STOP).expect("it can stop itself");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let played = runtime.block_on(async {
        let spawner = make()?;
        match part.as_str() {
            "traced" => once(&spawner).await?,
            "churn" => {
                tokio::join!(for_ever(&spawner), for_ever(&spawner), for_ever(&spawner));
            }
            _ => {
                for outcome in spawner.sweep().await {
                    println!("{outcome}");
                }
            }
        }
        spawner.shutdown().await
    });
    // One whose helper was killed may well fail; what counts is what is left.
    Some(if played.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn make() -> Result<ProcessSpawner> {
    let wanted = std::env::var("SPAWNER_CRASH_MECHANISM").unwrap_or_default();
    let mechanism = Choice::MECHANISMS.into_iter().find(|choice| choice.name() == wanted).unwrap_or_default();
    ProcessSpawner::new(ProcessConfig { mechanism, ..ProcessConfig::default() })
}

async fn once(spawner: &ProcessSpawner) -> Result<()> {
    let spec = TaskSpec::new(["sh", "-c", TASK]).stdin(Input::Null).stdout(Output::Stream);
    let task = spawner.spawn_task(&spec).await?;
    if let Some(mut stdout) = spawner.task_output(&task).await?.stdout {
        // Where the task was killed it is never ready.
        let mut ready = [0; 6];
        if let Err(error) = stdout.read_exact(&mut ready).await {
            eprintln!("the task is not ready: {error}");
        }
    }
    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
    if outcome.is_clean() && crate::scene::is_locked(std::env::var_os(LOCK).unwrap_or_default().as_ref()) {
        // Found by whoever looks at the state folder.
        let lie = std::path::PathBuf::from(std::env::var_os("SPAWNER_STATE_DIR").unwrap_or_default());
        std::fs::write(lie.join("FALSE-CLEAN"), outcome.to_string())
            .expect("the state folder can be written");
    }
    Ok(())
}

async fn for_ever(spawner: &ProcessSpawner) {
    loop {
        let spec = TaskSpec::new(["sh", "-c", TASK]).stdin(Input::Null).stdout(Output::Null);
        if let Ok(task) = spawner.spawn_task(&spec).await {
            drop(spawner.destroy_task(&task, &Teardown::at_once()).await);
        }
        tokio::task::yield_now().await;
    }
}
