//! The backend through a real sshd, for root and for an ordinary account.

mod common;

use std::time::{Duration, Instant};

use common::lock::Witness;
use common::sshd::Sshd;
use common::until;
use rustix::process::{Signal, kill_process};
use spawner_core::{
    AskScope, ErrorKind, Exit, Fate, Input, Mechanism, Output, Spawner, Task, TaskSpec, TaskState, Teardown,
    Verdict,
};
use spawner_remote::{RemoteConfig, RemoteSpawner, Require};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const ACCOUNTS: [&str; 2] = ["root", "tester"];

fn sh(script: &str) -> TaskSpec {
    TaskSpec::new(["/bin/sh", "-c", script]).stdin(Input::Null).stdout(Output::Null).stderr(Output::Null)
}

fn spawner(config: RemoteConfig) -> RemoteSpawner {
    RemoteSpawner::named("lab", config).unwrap()
}

fn quick() -> Teardown {
    Teardown::default().grace(Duration::from_millis(500)).deadline(Duration::from_secs(2))
}

async fn read(stream: Option<spawner_core::stream::Reader>) -> Vec<u8> {
    let mut all = Vec::new();
    stream.unwrap().read_to_end(&mut all).await.unwrap();
    all
}

fn block<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_mins(2), future).await.expect("it ends") })
}

async fn witness_is_held(witness: &Witness) {
    let deadline = Instant::now() + common::PATIENCE;
    while witness.all_gone() {
        assert!(Instant::now() < deadline, "the task never held its lock");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn gone_within(witness: &Witness, patience: Duration) -> Duration {
    let began = Instant::now();
    while !witness.all_gone() {
        assert!(began.elapsed() < patience, "something of the task is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

#[test]
fn a_task_reads_writes_ends_and_is_proved_gone() {
    let sshd = Sshd::start("");
    block(async {
        for account in ACCOUNTS {
            let spawner = spawner(sshd.config(account));
            println!("{}", spawner.check().await.unwrap().answered);
            for (script, expected) in [
                ("cat; echo err >&2; exit 255", Exit::Exited { code: 255 }),
                ("cat; echo err >&2; kill -9 $$", Exit::Signalled { signal: 9, core: false }),
                ("cat; echo err >&2; exit 137", Exit::Exited { code: 137 }),
            ] {
                let spec = sh(script).stdin(Input::Stream).stdout(Output::Stream).stderr(Output::Stream);
                let task = spawner.spawn_task(&spec).await.unwrap();
                assert_eq!(sshd.records().len(), 1);
                let mut streams = spawner.task_output(&task).await.unwrap();
                let mut stdin = streams.stdin.take().unwrap();
                stdin.write_all(b"in\0put").await.unwrap();
                drop(stdin);
                assert_eq!(read(streams.stdout).await, b"in\0put");
                assert_eq!(read(streams.stderr).await, b"err\n");
                assert_eq!(spawner.wait_task(&task).await.unwrap(), expected);
                let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
                assert!(outcome.is_clean() && outcome.left_behind().is_empty(), "{outcome:?}");
                assert_eq!(outcome.mechanisms(), [Mechanism::RemoteSubreaper]);
                assert_eq!(spawner.task_state(&task).await.unwrap(), TaskState::Gone(expected));
                assert!(sshd.records().is_empty());
            }
            spawner.shutdown().await.unwrap();
        }
    });
    until("no connection is left", common::PATIENCE, || sshd.connections().is_empty());
}

#[test]
fn what_cannot_be_started_is_refused_and_nothing_is_left() {
    let sshd = Sshd::start("");
    block(async {
        let spawner = spawner(sshd.config("tester"));
        for (spec, kind) in [
            (TaskSpec::new(["/no/such"]), ErrorKind::ProgramNotFound),
            (TaskSpec::new(["/etc/passwd"]), ErrorKind::NotExecutable),
            (sh(":").cwd("/no/such"), ErrorKind::InvalidSpec),
        ] {
            let spec = spec.stdin(Input::Null).stdout(Output::Null).stderr(Output::Null);
            let error = spawner.spawn_task(&spec).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(sshd.records().is_empty());
        }
        let required = RemoteConfig { require: Some(Require::Cgroup), ..sshd.config("tester") };
        let refused = self::spawner(required).spawn_task(&sh(":")).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Unsupported(_)), "{refused}");
        spawner.shutdown().await.unwrap();
    });
}

#[test]
fn daemons_are_ended_by_each_mechanism_and_named() {
    let sshd = Sshd::start("");
    block(async {
        for (account, require) in [("root", Some(Require::Cgroup)), ("root", None), ("tester", None)] {
            let spawner = spawner(RemoteConfig { require, ..sshd.config(account) });
            let witness = Witness::new();
            let script =
                "trap '' TERM; setsid -f sh -c 'trap \"\" TERM; sleep 7701; :'; setsid -f sleep 7702; exit 3";
            let task = spawner.spawn_task(&sh(&witness.hold(script))).await.unwrap();
            assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 3 });
            assert!(!witness.all_gone());
            let outcome = spawner.destroy_task(&task, &quick()).await;
            assert!(outcome.is_clean() && outcome.escalated(), "{outcome:?}");
            assert!(outcome.left_behind_total() >= 2, "{outcome:?}");
            assert!(outcome.resources().iter().any(|one| one.fate == Fate::Killed), "{outcome:?}");
            assert!(witness.all_gone());
            assert!(spawner.destroy_task(&task, &quick()).await.is_clean());
            spawner.shutdown().await.unwrap();
        }
    });
}

#[test]
fn who_is_asked_ends_within_the_grace_and_signals_arrive() {
    let sshd = Sshd::start("");
    block(async {
        let spawner = spawner(sshd.config("tester"));
        let spec = sh("trap 'echo heard' USR1; echo up; while :; do sleep 0.05; done").stdout(Output::Stream);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
        let mut piece = [0; 3];
        stdout.read_exact(&mut piece).await.unwrap();
        spawner.signal_task(&task, 10).await.unwrap();
        let mut heard = [0; 6];
        stdout.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"heard\n");
        let asked = Teardown::default().ask(AskScope::All);
        let outcome = spawner.destroy_task(&task, &asked).await;
        assert!(outcome.is_clean() && !outcome.escalated(), "{outcome:?}");
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Signalled { signal: 15, core: false });
        assert_eq!(spawner.signal_task(&task, 10).await.unwrap_err().kind(), ErrorKind::UnknownTask);
        spawner.shutdown().await.unwrap();
    });
}

#[test]
fn a_dropped_or_shut_down_spawner_leaves_nothing() {
    let sshd = Sshd::start("");
    for shut in [true, false] {
        let witness = Witness::new();
        block(async {
            let spawner = spawner(sshd.config("tester"));
            let task =
                spawner.spawn_task(&sh(&witness.hold("setsid -f sleep 7703; sleep 7704"))).await.unwrap();
            witness_is_held(&witness).await;
            if shut {
                spawner.shutdown().await.unwrap();
                assert!(witness.all_gone() && sshd.records().is_empty());
            } else {
                drop(spawner);
            }
            println!("{shut}: {:?}", gone_within(&witness, Duration::from_secs(8)).await);
            drop(task);
        });
    }
    until("no connection is left", common::PATIENCE, || sshd.connections().is_empty());
}

#[test]
fn a_cut_or_silent_connection_is_unverified_in_time_and_clean_when_asked_again() {
    for signal in [Signal::KILL, Signal::STOP] {
        let sshd = Sshd::start("");
        block(async {
            let spawner = spawner(sshd.config("tester"));
            let witness = Witness::new();
            let task =
                spawner.spawn_task(&sh(&witness.hold("setsid -f sleep 7705; sleep 7706"))).await.unwrap();
            witness_is_held(&witness).await;
            for connection in sshd.connections() {
                kill_process(connection, signal).unwrap();
            }
            if signal == Signal::STOP {
                // The listener too, so that nobody can connect again.
                kill_process(sshd.pid(), Signal::STOP).unwrap();
                let began = Instant::now();
                let teardown = Teardown::at_once().deadline(Duration::from_millis(700));
                let outcome = spawner.destroy_task(&task, &teardown).await;
                assert!(began.elapsed() < teardown.deadline + Teardown::SLACK + Duration::from_millis(200));
                assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:?}");
                let told = outcome.to_string();
                let pid = task.record().leader.as_ref().unwrap().pid;
                assert!(told.contains("ssh -p ") && told.contains(&format!("kill -KILL {pid}")), "{told}");
                assert_eq!(sshd.records().len(), 1);
            }
            println!("{signal:?}: {:?}", gone_within(&witness, Duration::from_secs(4)).await);
            let exit = spawner.wait_task(&task).await.unwrap();
            println!("{exit}");
            if signal == Signal::STOP {
                for stopped in sshd.connections().into_iter().chain([sshd.pid()]) {
                    kill_process(stopped, Signal::CONT).unwrap();
                }
            }
            let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
            assert!(outcome.is_clean(), "{outcome:?}");
            assert!(sshd.records().is_empty());
            // The next task has a new connection.
            let next: Task = spawner.spawn_task(&sh("exit 7")).await.unwrap();
            assert_eq!(spawner.wait_task(&next).await.unwrap(), Exit::Exited { code: 7 });
            assert!(spawner.destroy_task(&next, &quick()).await.is_clean());
            spawner.shutdown().await.unwrap();
        });
    }
}

#[test]
fn unknown_changed_and_missing_keys_are_told_apart() {
    let sshd = Sshd::start("");
    block(async {
        let empty = sshd.at("empty");
        std::fs::write(&empty, "").unwrap();
        let unknown = RemoteConfig { known_hosts_file: Some(empty), ..sshd.config("tester") };
        let error = spawner(unknown).check().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("ssh-keyscan"), "{error}");
        let known = std::fs::read_to_string(sshd.at("known")).unwrap();
        let other = std::fs::read_to_string(sshd.at("user.pub")).unwrap();
        let name = known.split(' ').next().unwrap();
        std::fs::write(sshd.at("changed"), format!("{name} {other}")).unwrap();
        let changed = RemoteConfig { known_hosts_file: Some(sshd.at("changed")), ..sshd.config("tester") };
        let error = spawner(changed).check().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("another key"), "{error}");
        let wrong = RemoteConfig { identity_file: Some(sshd.at("host")), ..sshd.config("tester") };
        let error = spawner(wrong).check().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("identity_file"), "{error}");
        let nobody = RemoteConfig { port: Some(1), ..sshd.config("tester") };
        let error = spawner(nobody).check().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error}");
    });
}

#[test]
fn a_server_that_takes_few_sessions_gets_no_more() {
    for limit in [1, 3] {
        let sshd = Sshd::start_with_sessions(limit);
        block(async {
            let spawner = std::sync::Arc::new(spawner(sshd.config("tester")));
            let mut running = tokio::task::JoinSet::new();
            for at in 0..12 {
                let spawner = std::sync::Arc::clone(&spawner);
                running.spawn(async move {
                    let task = spawner.spawn_task(&sh(&format!("sleep 0.1; exit {at}"))).await.unwrap();
                    let exit = spawner.wait_task(&task).await.unwrap();
                    assert!(spawner.destroy_task(&task, &quick()).await.is_clean());
                    assert_eq!(exit, Exit::Exited { code: at });
                });
            }
            let ran = running.join_all().await.len();
            assert_eq!(ran, 12);
        });
    }
}

#[test]
fn a_detached_task_outlives_its_harness_and_is_recovered() {
    let sshd = Sshd::start("");
    for account in ACCOUNTS {
        let witness = Witness::new();
        block(async {
            let first = spawner(sshd.config(account));
            let script = "echo out; echo err >&2; while [ ! -e $GO ]; do sleep 0.05; done; echo more; exit 9";
            let go = sshd.at(&format!("go-{account}"));
            let spec = sh(&witness.hold(script)).env("GO", &go).detached();
            let task = first.spawn_task(&spec).await.unwrap();
            witness_is_held(&witness).await;
            first.shutdown().await.unwrap();
            assert!(!witness.all_gone());
            let second = spawner(sshd.config(account));
            assert!(second.sweep().await.is_empty());
            let again = second.recover_task(task.record()).await.unwrap();
            assert_eq!(second.task_state(&again).await.unwrap(), TaskState::Running);
            std::fs::write(&go, "").unwrap();
            assert_eq!(second.wait_task(&again).await.unwrap(), Exit::Exited { code: 9 });
            second.keep_output(&again, true).await.unwrap();
            let logs = again.record().logs.clone();
            assert_eq!(std::fs::read_to_string(logs.stdout.unwrap()).unwrap(), "out\nmore\n");
            assert_eq!(std::fs::read_to_string(logs.stderr.unwrap()).unwrap(), "err\n");
            let outcome = second.destroy_task(&again, &quick()).await;
            assert!(outcome.is_clean(), "{outcome:?}");
            assert!(witness.all_gone() && sshd.records().is_empty(), "{:?}", sshd.records());
            assert_eq!(second.recover_task(task.record()).await.unwrap_err().kind(), ErrorKind::UnknownTask);
            second.shutdown().await.unwrap();
        });
    }
}

#[test]
fn a_dropped_start_leaves_nothing_and_is_accounted_for() {
    let sshd = Sshd::start("");
    block(async {
        let spawner = spawner(sshd.config("tester"));
        spawner.check().await.unwrap();
        let witness = Witness::new();
        let mut cut = 0;
        for at in 0..25 {
            let spec = sh(&witness.hold("setsid -f sleep 7707; sleep 7708"));
            let start = spawner.spawn_task(&spec);
            match tokio::time::timeout(Duration::from_micros(at * 800), start).await {
                Ok(task) => {
                    let outcome = spawner.destroy_task(&task.unwrap(), &Teardown::at_once()).await;
                    assert!(outcome.is_clean(), "{outcome:?}");
                }
                Err(_) => cut += 1,
            }
        }
        let deadline = Instant::now() + common::PATIENCE;
        while !sshd.records().is_empty() {
            assert!(Instant::now() < deadline, "{:?}", sshd.records());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(cut > 5 && witness.all_gone());
        for outcome in spawner.abandoned() {
            assert!(outcome.is_clean(), "{outcome:?}");
        }
        spawner.shutdown().await.unwrap();
    });
}

#[test]
fn a_killed_guardian_is_noticed_and_never_called_clean_without_proof() {
    let sshd = Sshd::start("");
    block(async {
        let spawner = spawner(sshd.config("tester"));
        let witness = Witness::new();
        let task = spawner
            .spawn_task(&sh(&witness.hold("kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); sleep 7709")))
            .await;
        let task = task.unwrap();
        witness_is_held(&witness).await;
        assert!(matches!(spawner.wait_task(&task).await.unwrap(), Exit::Lost { .. }));
        let outcome = spawner.destroy_task(&task, &quick()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:?}");
        assert!(witness.all_gone());
        spawner.shutdown().await.unwrap();
    });
}
