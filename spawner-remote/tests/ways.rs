//! Ways to a host that are long, silent, or shared with another harness.

mod common;

use std::time::{Duration, Instant};

use common::lock::Witness;
use common::sshd::Sshd;
use common::{slow, until};
use rustix::process::{Pid, Signal, kill_process};
use spawner_core::{Exit, Input, Output, Spawner as _, TaskSpec, Teardown};
use spawner_remote::{RemoteConfig, RemoteSpawner};

fn sh(script: &str) -> TaskSpec {
    TaskSpec::new(["/bin/sh", "-c", script]).stdin(Input::Null).stdout(Output::Null).stderr(Output::Null)
}

fn block<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_mins(2), future).await.expect("it ends") })
}

fn held(witness: &Witness) {
    until("the task holds its lock", common::PATIENCE, || !witness.all_gone());
}

#[test]
fn a_long_way_makes_nothing_unverified() {
    let sshd = Sshd::start("");
    for round in [100, 300, 600].map(Duration::from_millis) {
        let way = slow::way_to(sshd.port(), round / 2);
        block(async {
            let spawner = RemoteSpawner::named("far", sshd.config_by(way, "tester")).unwrap();
            let short = Duration::from_millis(50);
            for (script, teardown) in [
                ("exit 3", Teardown::default()),
                (
                    "setsid -f sleep 7721; exit 3",
                    Teardown::default().linger(short).grace(short).deadline(short),
                ),
                ("setsid -f sleep 7722; sleep 7723", Teardown::at_once().deadline(short)),
                ("trap '' TERM; sleep 7724; sleep 7724", Teardown::default().grace(short).deadline(short)),
            ] {
                let witness = Witness::new();
                let task = spawner.spawn_task(&sh(&witness.hold(script))).await.unwrap();
                if script.contains("exit") {
                    spawner.wait_task(&task).await.unwrap();
                } else {
                    held(&witness);
                }
                let began = Instant::now();
                let outcome = spawner.destroy_task(&task, &teardown).await;
                println!("{round:?}: {script}: {:?}", began.elapsed());
                assert!(outcome.is_clean(), "{script}, {round:?} away: {outcome:?}");
                assert!(witness.all_gone());
                let left = usize::from(script.contains("-f") && script.contains("exit"));
                assert_eq!(outcome.left_behind_total(), left, "{script}: {outcome:?}");
                let allowed = teardown.linger + teardown.grace + teardown.deadline + Teardown::SLACK;
                assert!(began.elapsed() < allowed + 16 * (round + round / 2) + Duration::from_secs(1));
            }
            spawner.shutdown().await.unwrap();
        });
    }
}

/// The ssh programs of this process.
fn programs(sshd: &Sshd) -> Vec<Pid> {
    let key = sshd.at("user").display().to_string();
    let (own, mut found) = (std::process::id().to_string(), Vec::new());
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let words = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().unwrap().split(' ').nth(1);
        if words.starts_with("ssh\0") && words.contains(&key) && parent == Some(&own) {
            found.extend(Pid::from_raw(entry.file_name().to_str().unwrap().parse().unwrap()));
        }
    }
    found
}

#[test]
fn a_silent_connection_holds_nobody_up_and_keeps_its_tasks() {
    for there in [false, true] {
        let sshd = Sshd::start("");
        block(async {
            let config = RemoteConfig { lease: 30, ..sshd.config("tester") };
            let spawner = RemoteSpawner::named("lab", config).unwrap();
            let (first, second) = (Witness::new(), Witness::new());
            let one = spawner.spawn_task(&sh(&first.hold("sleep 7725"))).await.unwrap();
            let other =
                spawner.spawn_task(&sh(&second.hold("trap '' TERM; sleep 7726; sleep 7726"))).await.unwrap();
            held(&first);
            held(&second);
            let stopped = if there { sshd.connections() } else { programs(&sshd) };
            assert!(!stopped.is_empty());
            for pid in &stopped {
                kill_process(*pid, Signal::STOP).unwrap();
            }
            let began = Instant::now();
            let next = spawner.spawn_task(&sh("exit 4")).await.unwrap();
            assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
            println!("there {there}: the next one after {:?}", began.elapsed());
            assert_eq!(spawner.wait_task(&next).await.unwrap(), Exit::Exited { code: 4 });
            assert!(spawner.destroy_task(&next, &Teardown::default()).await.is_clean());
            // One that has to be reached over the silent one is reached over the other.
            let began = Instant::now();
            let outcome = spawner.destroy_task(&other, &Teardown::at_once()).await;
            assert!(outcome.is_clean() && second.all_gone(), "{outcome:?}");
            assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
            assert!(!first.all_gone(), "its lease is not over");
            for pid in stopped {
                kill_process(pid, Signal::CONT).unwrap();
            }
            // And it was not given up.
            assert!(spawner.signal_task(&one, 15).await.is_ok());
            assert_eq!(spawner.wait_task(&one).await.unwrap(), Exit::Signalled { signal: 15, core: false });
            assert!(spawner.destroy_task(&one, &Teardown::default()).await.is_clean());
            spawner.shutdown().await.unwrap();
            assert!(sshd.records().is_empty());
        });
    }
}

#[test]
fn who_loses_a_task_to_another_harness_hears_how_it_ended() {
    for account in ["root", "tester"] {
        let sshd = Sshd::start("");
        block(async {
            let [first, second] =
                [(); 2].map(|()| RemoteSpawner::named("lab", sshd.config(account)).unwrap());
            let witness = Witness::new();
            let task =
                first.spawn_task(&sh(&witness.hold("setsid -f sleep 7727; sleep 7728"))).await.unwrap();
            held(&witness);
            let taken = second.recover_task(task.record()).await.unwrap();
            // It can be had back, and taken again, whether or not that was heard by then.
            for _ in 0..20 {
                let (members, _) = {
                    let mut rungs = second.rungs(&taken).await.unwrap();
                    rungs.members().await.unwrap()
                };
                assert!(members.len() >= 2, "{members:?}");
                first.signal_task(&task, 0).await.unwrap();
            }
            assert!(second.destroy_task(&taken, &Teardown::at_once()).await.is_clean());
            assert!(witness.all_gone());
            let began = Instant::now();
            assert_eq!(first.wait_task(&task).await.unwrap(), Exit::Signalled { signal: 9, core: false });
            assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
            let outcome = first.destroy_task(&task, &Teardown::default()).await;
            assert!(outcome.is_clean(), "{outcome:?}");
            first.shutdown().await.unwrap();
            second.shutdown().await.unwrap();
        });
    }
}
