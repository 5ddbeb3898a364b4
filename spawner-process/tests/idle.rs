//! What an idle harness costs.

mod common;

use std::time::{Duration, Instant};

use common::{keeper_of, parent, poll, ticks, with};
use spawner_core::{Output, Spawner, TaskSpec, Teardown};
use spawner_process::Choice;

/// One after the other: what one test has this process do would be time that the tasks of another seem to cost.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Private memory of a process, in KiB.
fn private(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
    lines.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_hundred_running_tasks_cost_no_time() {
    let _turn = TURN.lock().await;
    for spawner in with(&Choice::MECHANISMS) {
        let name = spawner.mechanism().name();
        let mut tasks = Vec::new();
        for _ in 0..100 {
            let spec = TaskSpec::new(["sleep", "300"]).stdout(Output::Null);
            tasks.push(spawner.spawn_task(&spec).await.unwrap());
        }
        let leaders = tasks.iter().map(|task| task.record().leader.as_ref().unwrap().pid);
        // The harness is the last; between are keeper and supervisor, and the init of a namespace.
        let own = std::process::id();
        let tree = |pid| std::iter::successors(Some(pid), |&pid| (pid != own).then(|| parent(pid)));
        let mut helpers: Vec<u32> = leaders.flat_map(tree).collect();
        helpers.sort_unstable();
        helpers.dedup();
        assert!(helpers.contains(&own) && helpers.len() > 200, "{name}");
        let time = || helpers.iter().map(|&pid| ticks(pid)).sum::<u64>();
        let waiting = tasks.iter().map(|task| spawner.wait_task(task));
        let mut waiting: Vec<_> = waiting.collect();
        // Whoever waits is polled once, and not again as long as nothing happens.
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.iter_mut().all(|wait| wait.as_mut().poll(&mut context).is_pending()));
        // Everything that was begun by the starts is over when nothing was used for a while.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let before = time();
            tokio::time::sleep(Duration::from_secs(3)).await;
            if time() == before {
                break;
            }
            assert!(Instant::now() < deadline, "{name}: {before} to {} ticks in 3 s", time());
        }
        drop(waiting);
        for task in &tasks {
            let outcome = spawner.destroy_task(task, &Teardown::at_once()).await;
            assert!(outcome.is_clean() || spawner.mechanism() == Choice::ProcessGroup, "{outcome:?}");
        }
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn helpers_are_small_also_after_a_large_environment() {
    let _turn = TURN.lock().await;
    for spawner in with(&[Choice::CgroupV2, Choice::Subreaper]) {
        let name = spawner.mechanism().name();
        let mut spec = TaskSpec::new(["sh", "-c", "exit ${#V3}"]).stdout(Output::Null);
        for number in 0..40 {
            // An argument or variable may have 128 KiB.
            spec = spec.env(format!("V{number}"), "x".repeat(if number == 3 { 7 } else { 40_000 }));
        }
        let task = spawner.spawn_task(&spec).await.unwrap();
        let exit = spawner.wait_task(&task).await.unwrap();
        assert_eq!(exit, spawner_core::Exit::Exited { code: 7 });
        assert!(spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean());
        let small = spawner.spawn_task(&TaskSpec::new(["sleep", "300"])).await.unwrap();
        let keeper = keeper_of(&small);
        let supervisor = parent(keeper);
        assert!(spawner.destroy_task(&small, &Teardown::at_once()).await.is_clean());
        println!("{name}: keeper {} KiB, supervisor {} KiB", private(keeper), private(supervisor));
        poll("the keeper is large", || private(keeper) < 256).await;
        assert!(private(supervisor) < 2048, "{name}: {} KiB", private(supervisor));
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_keeper_s_own_memory_is_small_and_does_not_grow_with_their_number() {
    let _turn = TURN.lock().await;
    for spawner in with(&[Choice::CgroupV2, Choice::Subreaper]) {
        let name = spawner.mechanism().name();
        let mut tasks = Vec::new();
        for _ in 0..500 {
            let spec = TaskSpec::new(["sleep", "300"]).stdout(Output::Null);
            tasks.push(spawner.spawn_task(&spec).await.unwrap());
        }
        let early = keeper_of(&tasks[9]);
        let late = keeper_of(&tasks[490]);
        // What starting it took is given back a moment later.
        let (own, others) = (|| private(late), private(early));
        poll("a late keeper is larger", || own() <= (others + 8).min(72)).await;
        println!("{name}: {others} KiB, and {} KiB for a late one", own());
        for task in &tasks {
            assert!(spawner.destroy_task(task, &Teardown::at_once()).await.is_clean());
        }
        spawner.shutdown().await.unwrap();
    }
}
