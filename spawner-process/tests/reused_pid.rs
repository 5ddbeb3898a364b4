//! A keeper's pid that is another keeper's by now is no reason to end that one.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Witness, field, keeper_of, poll, signal};
use spawner_core::{Exit, Spawner, TaskSpec, TaskState, Teardown};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};

/// The pid that was given last in this pid namespace; the next is looked for after it (proc_sys_kernel(5)).
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

#[test]
fn the_successor_of_a_killed_keeper_s_pid_keeps_its_task() {
    if !rustix::process::geteuid().is_root() || !PathBuf::from(LAST_PID).exists() {
        return eprintln!("skipped: only root says which pid is next, on a kernel with {LAST_PID}");
    }
    for mechanism in [Choice::CgroupV2, Choice::Subreaper] {
        // Nobody else takes a pid in there.
        let done = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "with_pids_of_our_own", "--nocapture"])
            .env("TEST_MECHANISM", mechanism.name())
            .output()
            .unwrap();
        eprintln!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{}", mechanism.name());
    }
}

#[tokio::test]
#[ignore = "run by the test of this file, in a pid namespace of its own"]
async fn with_pids_of_our_own() {
    let mechanism = std::env::var("TEST_MECHANISM").unwrap();
    let mechanism = Choice::MECHANISMS.into_iter().find(|own| own.name() == mechanism).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state_dir = Some(folder.path().to_owned());
    let config = ProcessConfig { mechanism, state_dir, sweep: false, ..ProcessConfig::default() };
    let spawner = match ProcessSpawner::new(config) {
        Ok(spawner) => spawner,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let first = spawner.spawn_task(&TaskSpec::new(["sleep", "300"])).await.unwrap();
    let keeper = keeper_of(&first);
    signal(keeper, "KILL");
    assert!(matches!(spawner.wait_task(&first).await.unwrap(), Exit::Lost { .. }));
    poll("it is not reaped", || field(keeper, "Pid:").is_none()).await;
    std::fs::write(LAST_PID, (keeper - 1).to_string()).unwrap();
    let witness = Witness::new();
    let (second, _streams) = witness.start(&spawner, "sleep 300;").await;
    assert_eq!(keeper_of(&second), keeper, "somebody else has taken the pid");

    let outcome = spawner.destroy_task(&first, &Teardown::default()).await;
    assert!(outcome.is_clean(), "{outcome:?}");
    assert_eq!(spawner.task_state(&second).await.unwrap(), TaskState::Running);
    assert!(witness.is_held());
    assert!(spawner.destroy_task(&second, &Teardown::default()).await.is_clean());
    spawner.shutdown().await.unwrap();
}
