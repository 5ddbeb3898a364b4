//! Harnesses that share a control group and count pids apart, as those of two containers may, leave each other alone.

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Witness, field, groups, keeper_of, parent, poll, signal};
use spawner_core::{Spawner, TaskSpec, Teardown};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};

fn with_state(folder: &Path) -> Option<ProcessSpawner> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root makes a pid namespace that keeps the right to the control groups");
        return None;
    }
    let state_dir = Some(folder.to_owned());
    let mechanism = Choice::CgroupV2;
    let config = ProcessConfig { mechanism, state_dir, sweep: false, ..ProcessConfig::default() };
    ProcessSpawner::new(config).inspect_err(|error| eprintln!("skipped: {error}")).ok()
}

/// Has a harness in pid and mount namespaces of its own sweep, with its state in `folder`.
fn sweep_elsewhere(folder: &Path) {
    let swept = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_harness_elsewhere", "--nocapture"])
        .env("TEST_STATE", folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&swept.stdout);
    assert!(swept.status.success() && said.contains("swept"), "{swept:?}");
    println!("{said}");
}

#[tokio::test]
#[ignore = "run by the tests of this file, in namespaces of its own"]
async fn a_harness_elsewhere() {
    let folder = std::env::var_os("TEST_STATE").unwrap();
    println!("swept {:?}", with_state(Path::new(&folder)).unwrap().sweep().await);
}

#[tokio::test]
async fn a_running_task_of_a_harness_in_another_pid_namespace_is_left_alone() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(spawner) = with_state(own.path()) else { return };
    let witness = Witness::new();
    let (task, _streams) = witness.start(&spawner, "sleep 300;").await;
    sweep_elsewhere(other.path());
    assert!(witness.is_held(), "{:?}", spawner.task_state(&task).await);
    assert!(spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean());
    let (next, _streams) = witness.start(&spawner, "sleep 300;").await;
    assert!(spawner.destroy_task(&next, &Teardown::at_once()).await.is_clean());
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_idle_keeper_of_a_harness_in_another_pid_namespace_keeps_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let Some(spawner) = with_state(folder.path()) else { return };
    for _ in 0..2 {
        let task = spawner.spawn_task(&TaskSpec::new(["true"])).await.unwrap();
        assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
        sweep_elsewhere(folder.path());
    }
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
#[ignore = "run by the tests of this file, in a process of its own"]
async fn a_harness_here() {
    let [folder, task] = ["TEST_STATE", "TEST_TASK"].map(|name| std::env::var(name).unwrap());
    let spawner = with_state(Path::new(&folder)).unwrap();
    let task = spawner.spawn_task(&TaskSpec::new(["perl", "-e", &task])).await.unwrap();
    println!("keeper {}", keeper_of(&task));
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_dead_harness_in_the_same_namespaces_is_swept_though_no_record_is_seen() {
    let (theirs, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(sweeper) = with_state(own.path()) else { return };
    let witness = Witness::new();
    let mut harness = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_harness_here", "--nocapture"])
        .env("TEST_STATE", theirs.path())
        .env("TEST_TASK", witness.program("sleep 300;"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(harness.stdout.take().unwrap()).lines().map(Result::unwrap);
    let keeper = lines.find_map(|line| line.strip_prefix("keeper ").map(|pid| pid.parse().unwrap()));
    let keeper = keeper.unwrap();
    poll("the task is not ready", || witness.is_held()).await;
    let supervisor = parent(keeper);
    signal(supervisor, "STOP");
    for helper in [keeper, supervisor] {
        signal(helper, "KILL");
    }
    harness.kill().unwrap();
    harness.wait().unwrap();
    let ended = |pid| field(pid, "State:").is_none_or(|state| state.starts_with('Z'));
    poll("helpers are there", || ended(keeper) && ended(supervisor)).await;
    // Another harness of this machine may have been first.
    println!("{:?}", sweeper.sweep().await);
    witness.let_go().await;
    assert!(groups(&format!("spawner-{}-{supervisor}", harness.id())).is_empty());
}
