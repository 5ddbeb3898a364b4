//! A task may leave its control group and remove it, where it has the right to: that is nothing that is left.

mod common;

use std::time::{Duration, Instant};

use common::freezer::Freezer;
use common::{PATIENCE, field, keeper_of, poll, ticks, with};
use spawner_core::{Exit, Spawner, TaskSpec, Teardown, Verdict};
use spawner_process::{Choice, ProcessSpawner};
use tokio::time::timeout;

/// In sh: moves the shell to where its harness is, and removes the group that it was in.
const LEAVE: &str = "own=$(find /sys/fs/cgroup -type d -name \"$(sed -n 's/^0::.*[/]//p' /proc/self/cgroup)\"); \
                     echo $$ > \"$own/../../cgroup.procs\" && until rmdir \"$own\"; do sleep 0.01; done";

async fn ends_clean(spawner: &ProcessSpawner, spec: TaskSpec) {
    let task = spawner.spawn_task(&spec).await.unwrap();
    let exit = timeout(PATIENCE, spawner.wait_task(&task)).await.expect("the task runs").unwrap();
    assert_eq!(exit, Exit::Exited { code: 0 });
    let began = Instant::now();
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    let took = began.elapsed();
    println!("{took:?}");
    assert!(outcome.is_clean() && !outcome.escalated(), "{outcome:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_task_that_has_removed_its_group_is_clean_and_its_keeper_takes_the_next() {
    for spawner in with(&[Choice::CgroupV2]) {
        ends_clean(&spawner, TaskSpec::new(["sh", "-c", LEAVE])).await;
        ends_clean(&spawner, TaskSpec::new(["true"])).await;
        // Another group in the place of its own is not taken for it.
        let again = format!("{LEAVE}; mkdir \"$own\"");
        ends_clean(&spawner, TaskSpec::new(["sh", "-c", &again])).await;
        ends_clean(&spawner, TaskSpec::new(["true"])).await;
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_keeper_waits_quietly_for_what_has_removed_its_group() {
    for spawner in with(&[Choice::CgroupV2]) {
        let Some(freezer) = Freezer::new("spawner-test-removed") else { return };
        let (task, child) = freezer.start_after(&spawner, LEAVE).await;
        let keeper = keeper_of(&task);
        freezer.say("FROZEN");
        let before = ticks(keeper);
        let short = Teardown::at_once().deadline(Duration::from_secs(1));
        let outcome = spawner.destroy_task(&task, &short).await;
        let took = ticks(keeper) - before;
        freezer.say("THAWED");
        println!("{took} ticks");
        assert_eq!(outcome.verdict(), Verdict::Leaked, "{outcome:?}");
        assert!(took < 20, "{took} ticks in a second");
        assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
        poll("the child is there", || field(child, "Pid:").is_none()).await;
        spawner.shutdown().await.unwrap();
    }
}
