//! The harness dies, in whatever way, and nothing of its tasks is left.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use spawner_core::{Spawner as _, Verdict};

use super::eyes::{self, is_alive};
use super::lives::{records, spawner_in};
use super::parts::own;
use super::run::{Test, block};

pub(crate) const ALL: &[Test] = &[
    ("a harness that is terminated takes all three along", terminated),
    ("a harness that aborts takes all three along", aborted),
    ("a harness that is killed while it spawns leaves nobody", while_spawning),
];

/// A harness in a process of its own, and what it says.
fn harness(how: &str, folder: &std::path::Path) -> (Child, impl Iterator<Item = u32>) {
    let mut child = own(&["harness", how, folder.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map(|line| line.unwrap().trim().parse().unwrap()))
}

fn three(how: &str, kill: impl FnOnce(&mut Child)) {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, said) = harness(how, folder.path());
    let pids: Vec<u32> = said.take(3).collect();
    assert!(pids.iter().all(|&pid| is_alive(pid)), "a witness that does not see the living is none");
    let began = Instant::now();
    kill(&mut child);
    eyes::until("the harness is gone", || !is_alive(child.id()));
    eyes::until("all three are gone", || !pids.iter().any(|&pid| is_alive(pid)));
    println!("  {:?} from the blow to the last", began.elapsed());
    child.wait().unwrap();
    sweep(folder.path(), 1);
}

/// The records that a dead harness left are closed with proof.
fn sweep(folder: &std::path::Path, count: usize) {
    assert_eq!(records(folder).len(), count);
    let outcomes = block(spawner_in(folder).sweep());
    assert_eq!(outcomes.len(), count, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.verdict() == Verdict::Clean), "{outcomes:?}");
    assert_eq!(records(folder).len(), 0);
}

fn terminated() {
    three("wait", |child| eyes::terminate(child.id()));
}

fn aborted() {
    three("abort", |child| {
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"\n").unwrap();
        drop(stdin);
    });
}

fn while_spawning() {
    let before = eyes::copies();
    for round in 0..10u64 {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, mut said) = harness("spawning", folder.path());
        said.next().unwrap();
        let at = Instant::now() + Duration::from_millis(17 * round);
        eyes::until("its time has come", || Instant::now() >= at);
        eyes::terminate(child.id());
        child.wait().unwrap();
        eyes::until("nobody is left", || eyes::copies().iter().all(|pid| before.contains(pid)));
        let left = records(folder.path()).iter().filter(|path| path.extension().unwrap() == "task").count();
        let outcomes = block(spawner_in(folder.path()).sweep());
        assert_eq!(outcomes.len(), left);
        let dirty: Vec<_> = outcomes.iter().filter(|outcome| !outcome.is_clean()).collect();
        if eyes::is_wine() && !dirty.is_empty() {
            // Its server counts a process for ever that was being made when its maker died, and has no thread.
            println!("  not asserted that each is clean: Wine counts {} that never ran", dirty.len());
            continue;
        }
        assert!(dirty.is_empty(), "{dirty:?}");
        assert_eq!(records(folder.path()).len(), 0);
    }
}
