//! Hosts whose clock is a year off.

mod common;

use std::path::Path;
use std::time::Duration;

use common::canary::Canary;
use common::lab::{
    ACCOUNTS, LEASE, STUBBORN, all_is_well, at_once, becomes_clean, block, far_is_clean, held, read, sh,
    spawner,
};
use common::lock::Witness;
use common::place::Place;
use common::sshd::{Setup, Sshd};
use rustix::process::{Signal, kill_process};
use spawner_core::{Exit, Mechanism, Output, Spawner as _, Teardown};

/// What lies about the time to who loads it.
fn liar() -> Option<String> {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: no libfaketime here: apt-get install faketime");
    }
    found.map(|path| path.display().to_string())
}

/// The lease there is as long as ever.
fn a_silent_connection_is_ended_in_time(sshd: &Sshd, account: &str) {
    block(async {
        let spawner = spawner(sshd.config(account));
        let witness = Witness::new();
        let task = spawner.spawn_task(&sh(&witness.hold(STUBBORN))).await.unwrap();
        held(&witness);
        let connections = sshd.connections();
        let began = Canary::start();
        for one in &connections {
            kill_process(*one, Signal::STOP).unwrap();
        }
        // Not before its time either, but for the one beat that it is rounded down by.
        while began.elapsed() < LEASE / 2 {
            assert!(!witness.all_gone(), "it was ended after {:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        far_is_clean(sshd, &witness, &began, LEASE + Duration::from_secs(1));
        for one in &connections {
            kill_process(*one, Signal::CONT).unwrap();
        }
        drop(becomes_clean(&spawner, &task).await);
        spawner.shutdown().await.unwrap();
    });
}

#[test]
fn a_clock_that_is_a_year_off_changes_nothing() {
    let Some(liar) = liar() else { return };
    let this_year = jiff_year();
    at_once(
        ACCOUNTS.into_iter().flat_map(|account| [1, -1].map(|years| (account, years))),
        |(account, years)| {
            let env = format!("LD_PRELOAD={liar} FAKETIME={:+}d", years * 366);
            let sshd = Sshd::raise(&Setup { env, ..Setup::default() });
            block(async {
                let spawner = spawner(sshd.config(account));
                let task = spawner.spawn_task(&sh("date +%Y").stdout(Output::Stream)).await.unwrap();
                let out = read(spawner.task_output(&task).await.unwrap().stdout).await;
                let year: i64 = String::from_utf8(out).unwrap().trim().parse().unwrap();
                assert_ne!(year, this_year, "its clock is right, so this shows nothing");
                assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 0 });
                assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
                spawner.shutdown().await.unwrap();
            });
            all_is_well(&sshd, account, Mechanism::RemoteSubreaper);
            a_silent_connection_is_ended_in_time(&sshd, account);
        },
    );
}

fn jiff_year() -> i64 {
    let said = std::process::Command::new("date").arg("+%Y").output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().parse().unwrap()
}

#[test]
fn a_host_that_has_been_up_for_a_year_more_than_ours_changes_nothing() {
    if !Path::new("/proc/self/ns/time").exists() {
        eprintln!("SKIPPED: this kernel has no time namespaces");
        return;
    }
    let year = "31536000";
    let unshare = ["unshare", "--mount", "--time", "--boottime", year, "--monotonic", year];
    let place = Place::under(&unshare, "", Setup::default());
    for account in ACCOUNTS {
        all_is_well(&place, account, Mechanism::RemoteSubreaper);
        block(async {
            let spawner = spawner(place.config(account));
            let task = spawner.spawn_task(&sh("trap '' TERM; sleep 7727; :")).await.unwrap();
            let ticks = task.record().leader.as_ref().unwrap().start_time;
            assert!(ticks > 31_536_000 * 100, "{ticks}: it is not in that namespace, so this shows nothing");
            let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
            assert!(outcome.is_clean(), "{outcome:?}");
            spawner.shutdown().await.unwrap();
        });
    }
    a_silent_connection_is_ended_in_time(&place, "tester");
}
