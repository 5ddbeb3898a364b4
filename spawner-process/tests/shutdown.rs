//! A spawner that was shut down has no task left that it was to end, or says so.

mod common;

use std::time::Duration;

use common::freezer::Freezer;
use common::{PATIENCE, field, keeper_of, with};
use spawner_core::{Spawner, TaskSpec, Teardown};
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
