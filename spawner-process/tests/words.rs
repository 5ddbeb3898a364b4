//! Words that cross each other, and streams that are closed early.

mod common;

use std::task::{Context, Waker};

use common::{PATIENCE, keeper_of, signal, with};
use spawner_core::{Output, Spawner, TaskSpec, Teardown};
use spawner_process::Choice;
use tokio::io::AsyncReadExt as _;

#[tokio::test]
async fn a_call_gets_its_answer_though_many_others_were_dropped() {
    for spawner in with(&[Choice::CgroupV2, Choice::Subreaper]) {
        let task = spawner.spawn_task(&TaskSpec::new(["sleep", "300"])).await.unwrap();
        let keeper = keeper_of(&task);
        signal(keeper, "STOP");
        let mut context = Context::from_waker(Waker::noop());
        let mut patient = spawner.signal_task(&task, libc::SIGCONT);
        assert!(patient.as_mut().poll(&mut context).is_pending());
        for _ in 0..200 {
            let mut dropped = spawner.signal_task(&task, libc::SIGCONT);
            assert!(dropped.as_mut().poll(&mut context).is_pending());
        }
        signal(keeper, "CONT");
        for _ in 0..2 {
            spawner.signal_task(&task, libc::SIGCONT).await.unwrap();
        }
        tokio::time::timeout(PATIENCE, patient).await.expect("no answer").unwrap();
        assert!(spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean());
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_ends_when_the_task_closes_it() {
    for spawner in with(&Choice::MECHANISMS) {
        let name = spawner.mechanism().name();
        let spec = TaskSpec::new(["sh", "-c", "echo bye; exec >&- 2>&- sleep 300"]).stdout(Output::Stream);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
        let mut text = String::new();
        let read = tokio::time::timeout(PATIENCE, stdout.read_to_string(&mut text)).await;
        assert!(read.is_ok(), "{name}: a helper holds the stream");
        assert_eq!(text, "bye\n");
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        assert!(outcome.is_clean() || spawner.mechanism() == Choice::ProcessGroup, "{name}: {outcome:?}");
        spawner.shutdown().await.unwrap();
    }
}
