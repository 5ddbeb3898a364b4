//! The witness itself is tested: with workloads that no backend has started, which it sees all the same.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use spawner_conformance::{MISCHIEF, Witness};
use spawner_core::TaskId;

const PATIENCE: Duration = Duration::from_secs(20);

/// A witness, with the folder of its lock.
fn witness() -> (Witness, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Witness::new(folder.path().join("lock"), format!("witness-{}", TaskId::random())), folder)
}

fn workload(witness: &Witness, name: &str, rest: &[&str]) -> Command {
    let own: PathBuf = std::env::current_exe().unwrap();
    let mut command = Command::new(own);
    command.args([MISCHIEF, name]).arg(witness.lock()).arg(witness.token()).args(rest);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn nothing_is_seen_of_a_workload_that_was_never_started() {
    let (witness, _folder) = witness();
    witness.gone().unwrap();
    assert_eq!(witness.ready(), 0);
    assert!(!witness.is_locked().unwrap());
}

#[test]
fn what_a_workload_leaves_behind_is_seen_and_ended() {
    let (witness, _folder) = witness();
    let began = Instant::now();
    let status = workload(&witness, "background", &[]).status().unwrap();
    assert_eq!(status.code(), Some(7));
    assert!(began.elapsed() < PATIENCE);
    let living = witness.living();
    assert_eq!(living.len(), 2, "{living:?}");
    assert!(living.iter().all(|one| Witness::is_alive(one.pid)));
    assert!(witness.is_locked().unwrap());
    assert!(witness.gone().is_err());
    assert_eq!(wait(witness.end_survivors()).unwrap(), 2);
    witness.gone().unwrap();
    assert!(living.iter().all(|one| !Witness::is_alive(one.pid)));
}

#[test]
fn a_child_that_was_killed_is_not_seen_though_nobody_waits_for_it() {
    let (witness, _folder) = witness();
    let mut child = workload(&witness, "well-behaved", &[]).spawn().unwrap();
    wait(witness.await_ready(1, PATIENCE)).unwrap();
    assert_eq!(witness.living().len(), 1);
    child.kill().unwrap();
    wait(witness.gone_within(PATIENCE)).unwrap();
    child.wait().unwrap();
}

#[test]
fn a_process_whose_first_thread_has_ended_is_seen() {
    let (witness, _folder) = witness();
    let mut child = workload(&witness, "dead-main", &[]).spawn().unwrap();
    wait(witness.await_ready(1, PATIENCE)).unwrap();
    assert!(witness.gone().is_err());
    child.kill().unwrap();
    child.wait().unwrap();
    witness.gone().unwrap();
}

#[test]
fn a_chain_is_seen_while_it_outruns_everybody_and_ends_when_it_is_to() {
    let (witness, _folder) = witness();
    let mut child = workload(&witness, "chain", &["2"]).spawn().unwrap();
    wait(witness.await_ready(1, PATIENCE)).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    for _ in 0..20 {
        assert!(witness.is_locked().unwrap(), "the chain goes on, and nothing holds the lock");
    }
    wait(witness.end_survivors()).unwrap();
    witness.gone().unwrap();
}
