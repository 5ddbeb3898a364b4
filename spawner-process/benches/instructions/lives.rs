//! The harness that is followed: it spawns, awaits and destroys tasks one after another, and nothing else.

use nix::sys::signal::{Signal, raise};
use spawner_core::{Input, Output, Spawner as _, TaskSpec, Teardown};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};

/// The first argument of a program that is to be it: mechanism, number of lives and a shell's script follow.
pub(crate) const ARGUMENT: &str = "lives";

/// So many warm up, and do not count.
const WARMING: usize = 4;

/// The signal that stands before and after those that count. Nobody else sends it, and it does nothing.
pub(crate) const MARK: Signal = Signal::SIGURG;

/// Whether that mechanism is to be had here.
pub(crate) fn possible(mechanism: &str) -> Result<(), String> {
    open(mechanism).map(drop)
}

fn open(mechanism: &str) -> Result<ProcessSpawner, String> {
    let mechanism = Choice::MECHANISMS.into_iter().find(|choice| choice.name() == mechanism);
    let mechanism = mechanism.ok_or("no such mechanism")?;
    // By its path, since /proc/self/exe is callgrind to a helper that runs outside of it.
    let supervisor = std::env::current_exe().map_err(|error| error.to_string())?;
    let config =
        ProcessConfig { mechanism, supervisor: Some(supervisor), sweep: false, ..ProcessConfig::default() };
    ProcessSpawner::new(config).map_err(|error| error.to_string())
}

pub(crate) fn live(words: &[String]) -> Result<(), String> {
    let [mechanism, count, script] = words else { return Err("which lives?".into()) };
    let count: usize = count.parse().map_err(|_| "how many lives?")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(lives(&open(mechanism)?, count, script))
}

async fn lives(spawner: &ProcessSpawner, count: usize, script: &str) -> Result<(), String> {
    let spec = TaskSpec::new(["/bin/sh", "-c", script]).stdin(Input::Null).stdout(Output::Null);
    for number in 0..WARMING + count {
        if number == WARMING {
            mark()?;
        }
        let task = spawner.spawn_task(&spec).await.map_err(|error| error.to_string())?;
        spawner.wait_task(&task).await.map_err(|error| error.to_string())?;
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        if !outcome.is_clean() {
            return Err(outcome.to_string());
        }
    }
    mark()
}

fn mark() -> Result<(), String> {
    raise(MARK).map_err(|errno| errno.to_string())
}
