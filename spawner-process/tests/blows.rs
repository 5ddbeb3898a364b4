//! What happens to a task when something else than its end befalls it or its helpers.

use std::future::Future;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use spawner_core::{Exit, Input, Limits, Output, Spawner, Task, TaskSpec, Teardown, Verdict};
use spawner_process::{Choice, ProcessSpawner};
use tokio::io::AsyncReadExt as _;

mod common;

use common::{keeper_of, parent, signal};

/// The mechanisms that keep what a dead keeper kept.
fn each() -> Vec<ProcessSpawner> {
    common::with(&[Choice::CgroupV2, Choice::Subreaper])
}

/// A task of three processes, of which one has detached itself; all of them have `token` as an argument.
async fn start(spawner: &ProcessSpawner, token: &str) -> Task {
    let script =
        format!("sleep 300 & setsid sh -c 'sleep 300; : {token}' & echo ready; sleep 300; : {token}");
    let spec = TaskSpec::new(["sh", "-c", &script]).stdin(Input::Null).stdout(Output::Stream);
    let task = spawner.spawn_task(&spec).await.unwrap();
    let mut ready = [0; 6];
    let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
    stdout.read_exact(&mut ready).await.unwrap();
    task
}

fn token() -> String {
    format!("token{:016x}", std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1))
}

/// Asks the operating system's own tool who is there.
fn alive(token: &str) -> String {
    String::from_utf8(Command::new("pgrep").args(["-f", "-a", token]).output().unwrap().stdout).unwrap()
}

async fn gone_within(token: &str, patience: Duration) {
    let deadline = Instant::now() + patience;
    while !alive(token).is_empty() {
        assert!(Instant::now() < deadline, "still there: {}", alive(token));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_supervisor_ends_what_a_killed_keeper_kept() {
    for spawner in each() {
        let token = token();
        let task = start(&spawner, &token).await;
        signal(keeper_of(&task), "KILL");
        gone_within(&token, Duration::from_secs(1)).await;
        assert!(matches!(spawner.wait_task(&task).await.unwrap(), Exit::Lost { .. }));
        let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
        assert_eq!(outcome.verdict(), Verdict::Clean, "{outcome:?}");
        // And the next task is not affected.
        let next = spawner.spawn_task(&TaskSpec::new(["true"])).await.unwrap();
        assert!(spawner.wait_task(&next).await.unwrap().success());
        assert!(spawner.destroy_task(&next, &Teardown::default()).await.is_clean());
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_stopped_keeper_keeps_nobody_from_ending_its_task() {
    for spawner in each() {
        let token = token();
        let task = start(&spawner, &token).await;
        signal(keeper_of(&task), "STOP");
        let began = Instant::now();
        let teardown = Teardown::at_once().deadline(Duration::from_millis(700));
        let outcome = spawner.destroy_task(&task, &teardown).await;
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!(outcome.verdict(), Verdict::Clean, "{outcome:?}");
        assert_eq!(alive(&token), "");
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn tasks_outlive_a_killed_supervisor_and_are_destroyed_as_before() {
    for spawner in each() {
        let token = token();
        let task = start(&spawner, &token).await;
        signal(parent(keeper_of(&task)), "KILL");
        let next = spawner.spawn_task(&TaskSpec::new(["true"])).await;
        let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
        assert_eq!(outcome.verdict(), Verdict::Clean, "{outcome:?}");
        assert_eq!(alive(&token), "");
        let next = next.unwrap();
        assert!(spawner.wait_task(&next).await.unwrap().success());
        assert!(spawner.destroy_task(&next, &Teardown::default()).await.is_clean());
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_spawner_ends_its_tasks() {
    for spawner in each() {
        let token = token();
        let task = start(&spawner, &token).await;
        drop(spawner);
        gone_within(&token, Duration::from_secs(1)).await;
        drop(task);
    }
}

#[tokio::test]
async fn a_start_dropped_at_any_point_leaves_nothing() {
    for spawner in each() {
        for polls in 0.. {
            let token = token();
            let spec = TaskSpec::new(["sh", "-c", &format!("sleep 300; : {token}")]).stdout(Output::Null);
            let mut start = Box::pin(spawner.spawn_task(&spec));
            let mut started = None;
            for _ in 0..polls {
                tokio::time::sleep(Duration::from_micros(300)).await;
                if let Poll::Ready(task) = start.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    started = Some(task.unwrap());
                    break;
                }
            }
            drop(start);
            if let Some(task) = started {
                assert!(spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean());
                break;
            }
            // What was started meanwhile is ended, and accounted for as soon as it is.
            tokio::time::sleep(Duration::from_millis(2)).await;
            gone_within(&token, Duration::from_secs(2)).await;
            for outcome in spawner.abandoned() {
                assert!(outcome.is_clean(), "{outcome:?}");
            }
        }
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn running_out_of_memory_is_told_apart() {
    for spawner in each() {
        let limits = Limits { memory: Some(32 << 20), ..Limits::default() };
        let spec = TaskSpec::new(["sh", "-c", "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}"])
            .stdout(Output::Null)
            .stderr(Output::Null)
            .limits(limits);
        if spawner.capabilities().limit_memory.level() == spawner_core::Level::Unsupported {
            let refused = spawner.spawn_task(&spec).await.unwrap_err();
            assert!(matches!(refused.kind(), spawner_core::ErrorKind::Unsupported(_)), "{refused}");
        } else {
            let task = spawner.spawn_task(&spec).await.unwrap();
            assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::OutOfMemory);
            let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
            assert!(outcome.is_clean(), "{outcome:?}");
        }
        spawner.shutdown().await.unwrap();
    }
}
