//! Lives of tasks, by every mechanism that this host has.

use std::time::{Duration, Instant};

use spawner_core::{Exit, Input, Output, Spawner, TaskSpec, Teardown, Verdict};
use spawner_process::{Choice, ProcessSpawner};
use tokio::io::AsyncReadExt as _;

mod common;

fn each() -> Vec<ProcessSpawner> {
    common::with(&Choice::MECHANISMS)
}

fn best(spawner: &ProcessSpawner) -> Verdict {
    if spawner.mechanism() == Choice::ProcessGroup { Verdict::Unverified } else { Verdict::Clean }
}

#[tokio::test]
async fn what_is_left_behind_is_named_and_ended() {
    for spawner in each() {
        // By its process group alone, the second one is missed, and ends by itself.
        let script = "sleep 300 & setsid sleep 5 & exit 7";
        let spec = TaskSpec::new(["sh", "-c", script]).stdin(Input::Null).stdout(Output::Null);
        let task = spawner.spawn_task(&spec).await.unwrap();
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 7 });
        let began = Instant::now();
        let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
        let name = spawner.mechanism().name();
        println!("{name}: {outcome} {:?} {:?}", outcome.elapsed(), outcome.left_behind());
        assert!(began.elapsed() < Duration::from_secs(2), "{name}");
        assert_eq!(outcome.verdict(), best(&spawner), "{name}: {outcome:?}");
        if spawner.mechanism() != Choice::ProcessGroup {
            assert_eq!(outcome.left_behind_total(), 2, "{name}: {outcome:?}");
        }
        assert!(!outcome.escalated(), "{name}");
        let began = Instant::now();
        let name = spawner.mechanism().name();
        spawner.shutdown().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn what_ignores_the_request_is_forced() {
    for spawner in each() {
        let script = "trap '' TERM; echo ready; sleep 300 & while :; do sleep 1; done";
        let spec = TaskSpec::new(["sh", "-c", script]).stdout(Output::Stream);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let mut ready = [0; 6];
        let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
        stdout.read_exact(&mut ready).await.unwrap();
        let teardown = Teardown::default().grace(Duration::from_millis(100));
        let outcome = spawner.destroy_task(&task, &teardown).await;
        let name = spawner.mechanism().name();
        println!("{name}: {outcome} {:?}", outcome.elapsed());
        assert_eq!(outcome.verdict(), best(&spawner), "{name}: {outcome:?}");
        assert!(outcome.escalated(), "{name}");
        assert_eq!(
            spawner.wait_task(&task).await.unwrap(),
            Exit::Signalled { signal: 9, core: false },
            "{name}"
        );
        let began = Instant::now();
        let name = spawner.mechanism().name();
        spawner.shutdown().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_stream_gives_what_was_written_and_ends_though_something_holds_it() {
    for spawner in each() {
        let spec = TaskSpec::new(["sh", "-c", "sleep 300 2>/dev/null & echo hello"]).stdout(Output::Stream);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
        let mut text = String::new();
        let began = Instant::now();
        stdout.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello\n");
        assert!(began.elapsed() < Duration::from_secs(2));
        let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
        assert_eq!(outcome.verdict(), best(&spawner), "{outcome:?}");
        let began = Instant::now();
        let name = spawner.mechanism().name();
        spawner.shutdown().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_thousand_short_lives_are_all_proved_gone() {
    for spawner in each() {
        let lives = if spawner.mechanism() == Choice::ProcessGroup { 20 } else { 1000 };
        let began = Instant::now();
        for _ in 0..lives {
            let task = spawner.spawn_task(&TaskSpec::new(["/bin/true"])).await.unwrap();
            assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 0 });
            let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
            assert_eq!(outcome.verdict(), best(&spawner), "{outcome:?}");
            assert_eq!(outcome.left_behind_total(), 0);
        }
        println!("{}: {:?} each", spawner.mechanism().name(), began.elapsed() / lives);
        let began = Instant::now();
        let name = spawner.mechanism().name();
        spawner.shutdown().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{name}: {:?}", began.elapsed());
    }
}
