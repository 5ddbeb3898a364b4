//! Chains of processes that fork and end without pause, so that whoever looks is always a step behind.

mod common;

use std::time::Duration;

use common::{Witness, keeper_of, signal, with};
use spawner_core::{Spawner, Teardown};
use spawner_process::Choice;
use tokio::io::AsyncWriteExt as _;

/// One process at a time, of which each forks the next and ends: 20000 in all, of which the last one stays.
const CHAIN: &str = "<STDIN>; for (1..20000) { my $child = fork; exit if $child; } sleep 300;";

#[tokio::test]
async fn a_chain_is_not_taken_for_gone_when_its_keeper_was_killed() {
    for spawner in with(&[Choice::Subreaper, Choice::CgroupV2]) {
        for round in 0..40 {
            let witness = Witness::new();
            let (task, mut streams) = witness.start(&spawner, CHAIN).await;
            let keeper = keeper_of(&task);
            streams.stdin.as_mut().unwrap().write_all(b"\n").await.unwrap();
            spawner.wait_task(&task).await.unwrap();
            signal(keeper, "KILL");
            let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
            let held = witness.is_held();
            assert!(outcome.is_clean(), "{round}: {outcome:?}");
            assert!(!held, "{} {round}: a false clean, {outcome:?}", spawner.mechanism().name());
        }
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_chain_is_not_taken_for_gone_when_there_was_no_time_to_end_it() {
    for spawner in with(&[Choice::Subreaper, Choice::CgroupV2]) {
        for round in 0..100 {
            let witness = Witness::new();
            let (task, mut streams) = witness.start(&spawner, CHAIN).await;
            streams.stdin.as_mut().unwrap().write_all(b"\n").await.unwrap();
            spawner.wait_task(&task).await.unwrap();
            let hasty = Teardown::at_once().deadline(Duration::ZERO);
            let outcome = spawner.destroy_task(&task, &hasty).await;
            let held = witness.is_held();
            assert!(!outcome.is_clean() || !held, "{round}: a false clean, {outcome:?}");
            // What is not proved has a name, which is not that of a process whose end was told.
            let leader = task.record().leader.as_ref().unwrap().pid.to_string();
            let mut left =
                outcome.resources().iter().filter(|resource| resource.fate.is_leftover()).peekable();
            assert!(outcome.is_clean() || left.peek().is_some(), "{outcome:?}");
            assert!(left.all(|resource| resource.id != leader), "{outcome:?}");
            let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
            assert!(outcome.is_clean() && !witness.is_held(), "{round}: {outcome:?}");
        }
        spawner.shutdown().await.unwrap();
    }
}
