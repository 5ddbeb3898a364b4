//! A far end whose processors the task takes all: whoever guards it gets them for moments, far apart.

mod common;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::bound::Bound;
use common::lab::{block, here_is_clean, patient, sh};
use common::lock::Witness;
use common::sshd::Sshd;
use common::{Far, Order, PATIENCE, SHELLS, kill, until};
use spawner_core::{Fate, Spawner as _, Teardown};
use spawner_remote::{RemoteConfig, Require};

/// How many there are in the herd.
const HEADS: u32 = 120;

/// Holds the witness' lock. They turn in circles for at most a minute and are deaf, each in a session of its own, to which
/// Linux gives a share of the processors of its own.
fn herd(witness: &Witness) -> String {
    let script = r#"exec perl -e 'use POSIX; $SIG{TERM} = "IGNORE"; alarm 60;
        for (1 .. shift) { if (!fork) { POSIX::setsid(); alarm 60; 1 while 1 } } sleep 60'"#;
    witness.hold(&format!("{script} {HEADS}"))
}

/// Two herds at one time are another test.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn force_ends_it_within_the_deadline() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let sshd = Sshd::start("");
    // Without a group, each of them has to be looked at.
    let (short, long) = (Duration::from_secs(5), Duration::from_secs(20));
    for (account, require, deadline) in [("root", Some(Require::Cgroup), short), ("tester", None, long)] {
        block(async {
            let spawner = patient(RemoteConfig { require, ..sshd.config(account) });
            let witness = Witness::new();
            let task = spawner.spawn_task(&sh(&herd(&witness))).await.unwrap();
            until("all of them run", PATIENCE, || witness.holders().len() > HEADS as usize);
            let outcome = spawner.destroy_task(&task, &Teardown::at_once().deadline(deadline)).await;
            println!("{account}: {:?}", outcome.elapsed());
            assert!(outcome.is_clean(), "{account}: {outcome:?}");
            assert!(outcome.resources().iter().all(|one| one.fate == Fate::Killed), "{outcome:?}");
            assert!(witness.all_gone());
            let (sockets, _) = sshd.clients(&[]);
            spawner.shutdown().await.unwrap();
            here_is_clean(&sshd, &sockets);
        });
    }
}

#[test]
fn a_group_of_it_ends_with_the_agent() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for shell in SHELLS {
        let Some(bound) = Bound::of(HEADS + 80) else { return };
        let mut far = Far::open(bound.way(), shell);
        let witness = Witness::new();
        let task = far.start(&Order::sh(&herd(&witness)).with(true, false)).unwrap();
        until("all of them run", PATIENCE, || bound.alive() > HEADS);
        let began = Instant::now();
        kill(far.address.process.0);
        until("all are gone", Duration::from_secs(6), || witness.all_gone());
        println!("{shell:?}: {:?}", began.elapsed());
        until("the guardian is gone", PATIENCE, || !common::runs(task.guardian.0));
    }
}
