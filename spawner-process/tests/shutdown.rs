//! A spawner that was shut down has no task left that it was to end, or says so.

mod common;

use std::time::Duration;

use common::freezer::Freezer;
use common::{PATIENCE, Witness, field, keeper_of, parent, poll, signal, with};
use spawner_core::{ErrorKind, Spawner, TaskSpec, Teardown, Verdict};
use spawner_process::{Choice, ProcessSpawner};
use tokio::time::timeout;

const MECHANISMS: [Choice; 2] = [Choice::CgroupV2, Choice::Subreaper];

/// How long it is seen that something does not come to an end.
const WHILE: Duration = Duration::from_millis(500);

/// Shuts down a spawner with a task of which `child` is frozen: that waits until it has thawed, and ended.
async fn waits_for(spawner: ProcessSpawner, freezer: &Freezer, child: u32) {
    let name = spawner.mechanism().name();
    freezer.say("FROZEN");
    let shutdown = spawner.shutdown();
    tokio::pin!(shutdown);
    let early = timeout(WHILE, &mut shutdown).await;
    let there = field(child, "Pid:").is_some();
    freezer.say("THAWED");
    assert!(there && early.is_err(), "{name}: {early:?} while its member is there: {there}");
    let late = timeout(PATIENCE, &mut shutdown).await;
    late.unwrap_or_else(|_| panic!("{name}: no end")).unwrap();
    assert_eq!(field(child, "Pid:"), None, "{name}");
}

#[tokio::test]
async fn the_keeper_of_a_detached_task_keeps_no_task_that_nobody_waits_for() {
    for spawner in with(&MECHANISMS) {
        let Some(freezer) = Freezer::new("spawner-test-undetached") else { return };
        let detached = spawner.spawn_task(&TaskSpec::new(["sleep", "300"]).detached()).await.unwrap();
        let keeper = keeper_of(&detached);
        assert!(spawner.destroy_task(&detached, &Teardown::at_once()).await.is_clean());
        spawner.spawn_task(&TaskSpec::new(["/does/not/exist"]).detached()).await.unwrap_err();
        let (task, child) = freezer.start(&spawner).await;
        println!("{}: kept by {keeper}, then by {}", spawner.mechanism().name(), keeper_of(&task));
        waits_for(spawner, &freezer, child).await;
    }
}

fn has_ended(pid: u32) -> bool {
    field(pid, "State:").is_none_or(|state| state.starts_with('Z'))
}

#[tokio::test]
async fn the_keepers_of_a_killed_supervisor_are_awaited() {
    for replaced in [false, true] {
        for spawner in with(&MECHANISMS) {
            let Some(freezer) = Freezer::new("spawner-test-unsupervised") else { return };
            let (task, child) = freezer.start(&spawner).await;
            let supervisor = parent(keeper_of(&task));
            signal(supervisor, "KILL");
            poll("it lives", || has_ended(supervisor)).await;
            if replaced {
                let next = spawner.spawn_task(&TaskSpec::new(["true"])).await.unwrap();
                assert!(spawner.destroy_task(&next, &Teardown::default()).await.is_clean());
            }
            waits_for(spawner, &freezer, child).await;
        }
    }
}

#[tokio::test]
async fn that_nobody_saw_a_task_s_end_is_said() {
    for spawner in with(&MECHANISMS) {
        let name = spawner.mechanism().name();
        let witness = Witness::new();
        let (task, _streams) = witness.start(&spawner, "sleep 300;").await;
        let keeper = keeper_of(&task);
        let supervisor = parent(keeper);
        signal(supervisor, "STOP");
        signal(keeper, "KILL");
        signal(supervisor, "KILL");
        poll("it lives", || has_ended(supervisor)).await;
        let other = with(&[spawner.mechanism()]).remove(0);
        let error = spawner.shutdown().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Lost && witness.is_held(), "{name}: {error}");
        let recovered = other.recover_task(task.record()).await.unwrap();
        let outcome = other.destroy_task(&recovered, &Teardown::at_once()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{name}: {outcome:?}");
        witness.let_go().await;
    }
}
