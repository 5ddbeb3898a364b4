//! Harnesses that are killed, or stopped for longer than the lease, at any instant of starting and destroying.

mod common;

use std::time::{Duration, Instant};

use common::canary::Canary;
use common::harness::{Harness, Ways};
use common::lab::{
    ACCOUNTS, LEASE, STUBBORN, at_once, block, far_is_clean, held, here_is_clean, spawner, swept,
};
use common::lock::Witness;
use common::sshd::Sshd;
use rustix::process::Signal;
use spawner_core::Spawner as _;

/// How many harnesses are killed, for each account.
const KILLED: u64 = 10;

#[test]
#[ignore = "it is started by the other tests"]
fn harness() {
    common::harness::main();
}

/// An instant within some starts and ends, another for each number.
fn an_instant(number: u64) -> Duration {
    Duration::from_micros(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).mul_f64(0.4 / 4295.0)
}

#[test]
fn wherever_a_harness_is_killed_nothing_stays_and_a_sweep_proves_it() {
    // Two at a time, so that this is about instants and not about load.
    at_once(
        [0, 1].into_iter().flat_map(|half| ACCOUNTS.map(|account| (half, account))),
        |(half, account)| {
            for number in (0..KILLED).filter(|number| number % 2 == half) {
                let sshd = Sshd::start("");
                let witness = Witness::new();
                let mut harness = Harness::start(&sshd.config(account), &witness.hold(STUBBORN), Ways::Many);
                harness.says("ready");
                let (sockets, _) = sshd.clients(&[]);
                std::thread::sleep(an_instant(number));
                harness.kill();
                let began = Canary::start();
                far_is_clean(&sshd, &witness, &began, LEASE + Duration::from_secs(1));
                block(async {
                    let spawner = spawner(sshd.config(account));
                    // One that died before its task was known cannot tell that there was none.
                    for outcome in swept(&sshd, &spawner).await {
                        println!("{account}, after {:?}: {}", an_instant(number), outcome.verdict());
                    }
                    spawner.check().await.unwrap();
                    spawner.shutdown().await.unwrap();
                });
                here_is_clean(&sshd, &sockets);
            }
        },
    );
}

#[test]
fn wherever_a_harness_is_stopped_its_tasks_end_with_the_lease_and_it_goes_on_after() {
    at_once(
        [1, 2, 3].into_iter().flat_map(|number| ACCOUNTS.map(|account| (number, account))),
        |(number, account)| {
            let sshd = Sshd::start("");
            let witness = Witness::new();
            let mut harness = Harness::start(&sshd.config(account), &witness.hold(STUBBORN), Ways::Many);
            harness.says("ready");
            let (sockets, _) = sshd.clients(&[]);
            std::thread::sleep(an_instant(number));
            harness.signal(Signal::STOP);
            let began = Canary::start();
            far_is_clean(&sshd, &witness, &began, LEASE + Duration::from_secs(1));
            harness.signal(Signal::CONT);
            // What it had is lost; what it starts next is as ever.
            let deadline = Instant::now() + common::PATIENCE * 2;
            let mut clean = 0;
            while clean < 3 {
                assert!(Instant::now() < deadline, "it does not get on");
                let verdict = harness.says("destroyed ");
                assert_ne!(verdict, "leaked");
                clean += u32::from(verdict == "clean");
            }
            harness.kill();
            far_is_clean(&sshd, &witness, &Canary::start(), LEASE + Duration::from_secs(1));
            block(async {
                let spawner = spawner(sshd.config(account));
                drop(swept(&sshd, &spawner).await);
                spawner.check().await.unwrap();
                spawner.shutdown().await.unwrap();
            });
            here_is_clean(&sshd, &sockets);
        },
    );
}

#[test]
fn a_harness_that_was_stopped_while_it_waited_is_told_that_its_task_is_lost() {
    at_once(ACCOUNTS, |account| {
        let sshd = Sshd::start("");
        let witness = Witness::new();
        let mut harness = Harness::start(&sshd.config(account), &witness.hold(STUBBORN), Ways::One);
        harness.says("started");
        held(&witness);
        harness.signal(Signal::STOP);
        far_is_clean(&sshd, &witness, &Canary::start(), LEASE + Duration::from_secs(1));
        harness.signal(Signal::CONT);
        // Not by a signal, which would be taken for the task's own end.
        let exit = harness.says("exit ");
        assert!(exit.starts_with("lost: "), "{exit}");
        // A busy machine may need more than one try; it ends with this word, or not at all.
        harness.says("destroyed clean");
        harness.kill();
    });
}
