//! Another harness of the same session.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use spawner_core::journal::Found;
use spawner_core::{ErrorKind, Spawner as _, Teardown, Verdict};

use super::eyes::{self, is_alive};
use super::lives::{records, spawner_in};
use super::parts::own;
use super::run::{Test, block};

pub(crate) const ALL: &[Test] = &[
    ("a task of a harness that lives is recovered, and ended by another one", taken),
    ("a borrowed task is not ended with the borrower", borrowed),
];

fn with_harness(check: impl FnOnce(&std::path::Path, &[u32], u32)) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = own(&["harness", "wait", folder.path().to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let pids: Vec<u32> = lines.take(3).map(|line| line.unwrap().trim().parse().unwrap()).collect();
    check(folder.path(), &pids, child.id());
    if is_alive(child.id()) {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    eyes::until("all three are gone", || !pids.iter().any(|&pid| is_alive(pid)));
}

fn taken() {
    with_harness(|folder, pids, harness| {
        let spawner = spawner_in(folder);
        block(async {
            let Some(Found::Account(account)) = spawner.journal().read().unwrap().pop() else { panic!() };
            let task = spawner.recover_task(&account.record()).await.unwrap();
            assert!(is_alive(pids[2]));
            let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
            assert_eq!(outcome.verdict(), Verdict::Clean, "{outcome}");
            assert_eq!(pids.iter().filter(|&&pid| is_alive(pid)).count(), 0);
            // Its harness sees it end, and ends by itself.
            eyes::until("the harness has seen it", || !is_alive(harness));
            assert_eq!(records(folder).len(), 0);
            let again = spawner.recover_task(&account.record()).await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::UnknownTask);
        });
    });
}

fn borrowed() {
    with_harness(|folder, pids, _| {
        let spawner = spawner_in(folder);
        block(async {
            let Some(Found::Account(account)) = spawner.journal().read().unwrap().pop() else { panic!() };
            drop(spawner.recover_task(&account.record()).await.unwrap());
            spawner.shutdown().await.unwrap();
        });
        assert!(pids.iter().all(|&pid| is_alive(pid)));
        assert_eq!(records(folder).len(), 1);
    });
}
