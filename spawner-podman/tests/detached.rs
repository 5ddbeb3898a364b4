//! Detached tasks outlive their harness, its helper and the engine; whoever comes later waits for them, reads what
//! they wrote, and destroys them.

#[path = "common/harness.rs"]
mod harness;
#[path = "common/scratch.rs"]
mod scratch;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use harness::{Harness, of_another_boot, records, spawner, state, until};
use rustix::process::Signal;
use scratch::Scratch;
use spawner_core::{Exit, Spawner as _, Task, TaskSpec, TaskState, Teardown};
use spawner_podman::PodmanSpawner;

#[test]
#[ignore = "a process of the other tests"]
fn a_harness() {
    harness::be();
}

fn shell(line: &str) -> TaskSpec {
    TaskSpec::new(["sh", "-c", line]).detached()
}

async fn recover(spawner: &PodmanSpawner, scratch: &Scratch) -> Task {
    let [record] = &records(scratch)[..] else { panic!("one is on record") };
    spawner.recover_task(record).await.unwrap()
}

async fn destroyed(spawner: &PodmanSpawner, task: &Task, scratch: &Scratch) {
    let outcome = spawner.destroy_task(task, &Teardown::at_once()).await;
    assert!(outcome.is_clean(), "{outcome:#?}");
    assert_eq!((records(scratch).len(), scratch.containers().as_str()), (0, ""));
    let left: Vec<_> =
        std::fs::read_dir(state(scratch)).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn kept(task: &Task) -> (Vec<u8>, Vec<u8>) {
    let read = |path: &Option<std::path::PathBuf>| std::fs::read(path.as_ref().unwrap()).unwrap_or_default();
    (read(&task.record().logs.stdout), read(&task.record().logs.stderr))
}

#[tokio::test]
async fn one_that_outlived_harness_and_engine_is_awaited_read_and_destroyed() {
    let Some(scratch) = Scratch::up() else { return };
    let line =
        "echo begun; while [ ! -e /tmp/go ]; do sleep 0.05; done; seq 1 20000; printf 'no end' >&2; exit 7";
    Harness::start(&scratch, &[shell(line)]).ready().dies();
    scratch.kill();
    scratch.restart();
    let spawner = spawner(&scratch);
    let task = recover(&spawner, &scratch).await;
    assert_eq!(spawner.task_state(&task).await.unwrap(), TaskState::Running);
    spawner.keep_output(&task, false).await.unwrap();
    assert_eq!(kept(&task), (b"begun\n".to_vec(), Vec::new()));
    let name = format!("spawner-{}", task.id());
    let (exit, followed, _) =
        tokio::join!(spawner.wait_task(&task), spawner.keep_output(&task, true), async {
            scratch.podman(&["exec", &name, "touch", "/tmp/go"])
        });
    followed.unwrap();
    assert_eq!(exit.unwrap(), Exit::Exited { code: 7 });
    let mut all = String::new();
    for number in 1..=20000 {
        writeln!(all, "{number}").unwrap();
    }
    let (stdout, stderr) = kept(&task);
    assert!(stdout == format!("begun\n{all}").as_bytes(), "{} bytes", stdout.len());
    assert_eq!(stderr, b"no end");
    // Once more changes nothing.
    spawner.keep_output(&task, false).await.unwrap();
    assert_eq!(kept(&task), (stdout, stderr));
    destroyed(&spawner, &task, &scratch).await;
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_end_of_one_that_nobody_watched_is_known_to_who_asks() {
    let Some(scratch) = Scratch::up() else { return };
    Harness::start(&scratch, &[shell("echo out; exit 3")]).ready().dies();
    until("it runs", || scratch.containers().contains("Exited"));
    for _ in 0..2 {
        let spawner = spawner(&scratch);
        let task = recover(&spawner, &scratch).await;
        assert_eq!(spawner.task_state(&task).await.unwrap(), TaskState::Ended(Exit::Exited { code: 3 }));
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 3 });
        spawner.keep_output(&task, true).await.unwrap();
        assert_eq!(kept(&task).0, b"out\n");
        spawner.shutdown().await.unwrap();
    }
    let spawner = spawner(&scratch);
    let task = recover(&spawner, &scratch).await;
    destroyed(&spawner, &task, &scratch).await;
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_end_that_a_stopped_engine_does_not_tell_is_told_when_it_goes_on() {
    let Some(scratch) = Scratch::up() else { return };
    Harness::start(&scratch, &[shell("exit 9")]).ready().dies();
    until("it runs", || scratch.containers().contains("Exited"));
    scratch.signal(Signal::STOP);
    let (early, began) = (spawner(&scratch), Instant::now());
    let task = recover(&early, &scratch).await;
    assert_ne!(early.task_state(&task).await.ok(), Some(TaskState::Running));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    scratch.signal(Signal::CONT);
    let late = spawner(&scratch);
    let task = recover(&late, &scratch).await;
    assert_eq!(late.task_state(&task).await.unwrap(), TaskState::Ended(Exit::Exited { code: 9 }));
    destroyed(&late, &task, &scratch).await;
}

#[tokio::test]
async fn one_that_was_removed_behind_the_back_is_lost_at_once_and_destroyed_clean() {
    let Some(scratch) = Scratch::up() else { return };
    Harness::start(&scratch, &[shell("exec sleep 300")]).ready().dies();
    scratch.podman(&["rm", "--all", "--force", "--time", "0"]);
    let (spawner, began) = (spawner(&scratch), Instant::now());
    let task = recover(&spawner, &scratch).await;
    let exit = spawner.wait_task(&task).await.unwrap();
    assert!(matches!(exit, Exit::Lost { .. }), "{exit}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    destroyed(&spawner, &task, &scratch).await;
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn after_a_restart_of_the_machine_it_is_on_record_and_can_be_destroyed() {
    let Some(scratch) = Scratch::up() else { return };
    for (line, code) in [("exit 4", Some(4)), ("exec sleep 300", None)] {
        Harness::start(&scratch, &[shell(line)]).ready().dies();
        match code {
            Some(_) => until("it runs", || scratch.containers().contains("Exited")),
            None => restart_of_the_machine(&scratch),
        }
        of_another_boot(&scratch);
        let spawner = spawner(&scratch);
        let task = recover(&spawner, &scratch).await;
        let TaskState::Ended(exit) = spawner.task_state(&task).await.unwrap() else {
            panic!("{line}: it runs")
        };
        match code {
            Some(code) => assert_eq!(exit, Exit::Exited { code }),
            None => assert!(matches!(exit, Exit::Lost { .. }), "{exit}"),
        }
        destroyed(&spawner, &task, &scratch).await;
        spawner.shutdown().await.unwrap();
    }
}

/// What podman takes for one: everything has ended, and what it keeps in memory is gone; so are the control groups.
fn restart_of_the_machine(scratch: &Scratch) {
    let pid = scratch.podman(&["inspect", "--latest", "--format", "{{.State.Pid}} {{.State.ConmonPid}}"]);
    let id = scratch.podman(&["inspect", "--latest", "--format", "{{.Id}}"]);
    scratch.kill();
    for pid in pid.split_ascii_whitespace().rev() {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }
    until("its control groups are gone", || {
        let groups = format!("find /sys/fs/cgroup -depth -type d -path '*/libpod-{}*'", id.trim());
        let removed = format!("{groups} -exec rmdir '{{}}' \\; 2>/dev/null; test -z \"$({groups})\"");
        std::process::Command::new("sh").args(["-c", &removed]).status().unwrap().success()
    });
    std::fs::remove_file(scratch.folder().join("e/tmp/alive")).unwrap();
    scratch.restart();
}
