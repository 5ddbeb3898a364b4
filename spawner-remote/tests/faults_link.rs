//! Links that are cut or half cut: network namespaces, each with a server of its own.

mod common;

use std::time::{Duration, Instant};

use common::canary::Canary;
use common::harness::{Harness, Ways};
use common::lab::{
    ACCOUNTS, LEASE, STUBBORN, at_once, becomes_clean, block, far_is_clean, held, here_is_clean,
    is_unverified, jitter, read, sh, spawner, swept,
};
use common::link::{Link, Loss, can_be_made};
use common::lock::Witness;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::{CleanupOutcome, Exit, Output, Spawner as _, Teardown, Verdict};
use spawner_remote::{RemoteConfig, Require};

#[test]
#[ignore = "it is started by the other tests"]
fn harness() {
    common::harness::main();
}

#[test]
fn a_cut_link_is_unverified_in_time_and_clean_once_it_is_back() {
    if !can_be_made() {
        return;
    }
    let cases = [Loss::All, Loss::Answers].into_iter().flat_map(|loss| {
        [("root", Some(Require::Cgroup)), ("root", None), ("tester", None)].map(|whom| (loss, whom))
    });
    at_once(cases, |(loss, (account, require))| {
        let link = Link::up();
        let sshd = link.sshd();
        let witness = Witness::new();
        block(async {
            let spawner = spawner(RemoteConfig { require, ..sshd.config(account) });
            let task = spawner.spawn_task(&sh(&witness.hold(STUBBORN))).await.unwrap();
            held(&witness);
            let (sockets, _) = sshd.clients(&[]);
            assert!(!sockets.is_empty() && !sshd.far().is_empty());
            link.lose(loss);
            let began = Canary::start();
            let teardown = Teardown::at_once().deadline(Duration::from_millis(700));
            let outcome = spawner.destroy_task(&task, &teardown).await;
            is_unverified(&outcome, &task, &teardown, began.elapsed());
            assert_eq!(sshd.records().len(), 1);
            far_is_clean(sshd, &witness, &began, LEASE + Duration::from_secs(1));
            // Nobody says how it ended; and that is said in time, too.
            let exit = tokio::time::timeout(LEASE + jitter(), spawner.wait_task(&task)).await;
            let exit = exit.expect("a silent host is given up").unwrap();
            assert!(matches!(exit, Exit::Lost { .. }), "{exit:?}");
            // Asked again in vain, it says the same.
            let again = Instant::now();
            let outcome = spawner.destroy_task(&task, &teardown).await;
            is_unverified(&outcome, &task, &teardown, again.elapsed());
            link.mend();
            drop(becomes_clean(&spawner, &task).await);
            let next = spawner.spawn_task(&sh("exit 7")).await.unwrap();
            assert_eq!(spawner.wait_task(&next).await.unwrap(), Exit::Exited { code: 7 });
            assert!(spawner.destroy_task(&next, &teardown).await.is_clean());
            spawner.shutdown().await.unwrap();
            here_is_clean(sshd, &sockets);
        });
    });
}

#[test]
fn what_a_dead_harness_had_behind_a_cut_link_is_swept_once_it_is_back() {
    if !can_be_made() {
        return;
    }
    at_once(ACCOUNTS, |account| {
        let link = Link::up();
        let sshd = link.sshd();
        let witness = Witness::new();
        let config = sshd.config(account);
        let mut harness = Harness::start(&config, &witness.hold(STUBBORN), Ways::One);
        harness.says("started");
        held(&witness);
        let (sockets, _) = sshd.clients(&[]);
        link.lose(Loss::All);
        let began = Canary::start();
        harness.kill();
        let sweeping = async {
            let spawner = spawner(config);
            let outcomes = spawner.sweep().await;
            let verdicts: Vec<_> = outcomes.iter().map(CleanupOutcome::verdict).collect();
            assert_eq!(verdicts, [Verdict::Unverified], "{outcomes:?}");
            assert_eq!(sshd.records().len(), 1, "what is not proved stays on record");
            link.mend();
            let outcomes = swept(sshd, &spawner).await;
            assert!(outcomes.last().is_none_or(CleanupOutcome::is_clean), "{account}: {outcomes:?}");
            spawner.shutdown().await.unwrap();
        };
        std::thread::scope(|scope| {
            scope.spawn(|| block(sweeping));
            far_is_clean(sshd, &witness, &began, LEASE + Duration::from_secs(1));
        });
        here_is_clean(sshd, &sockets);
    });
}

#[test]
fn what_a_person_is_told_to_type_ends_the_process() {
    if !can_be_made() {
        return;
    }
    at_once(ACCOUNTS, |account| {
        let link = Link::up();
        let sshd = link.sshd();
        block(async {
            // The far end does not end it by itself for as long as this takes.
            let spawner = spawner(RemoteConfig { lease: 60, ..sshd.config(account) });
            let task = spawner.spawn_task(&sh("trap '' TERM; sleep 7723; :")).await.unwrap();
            let leader = task.record().leader.clone().unwrap();
            // Nor by a word that is under way when the link is back: between it and its task is the parent of that.
            let above = |pid| spawner_core::processes::of(pid).unwrap().parent;
            let guardian = Pid::from_raw(above(above(leader.pid)).cast_signed()).unwrap();
            let guardian = pidfd_open(guardian, PidfdFlags::empty()).unwrap();
            pidfd_send_signal(&guardian, Signal::STOP).unwrap();
            link.lose(Loss::All);
            let teardown = Teardown::at_once().deadline(Duration::from_millis(200));
            let began = Canary::start();
            let outcome = spawner.destroy_task(&task, &teardown).await;
            let remedy = is_unverified(&outcome, &task, &teardown, began.elapsed());
            link.mend();
            assert!(common::runs(leader.pid), "it was ended, so this shows nothing");
            let typed = std::process::Command::new("/bin/sh").args(["-c", &remedy]).status().unwrap();
            assert!(typed.success(), "{remedy}");
            common::until("it is gone", jitter(), || !common::runs(leader.pid));
            pidfd_send_signal(&guardian, Signal::CONT).unwrap();
            drop(becomes_clean(&spawner, &task).await);
            spawner.shutdown().await.unwrap();
        });
    });
}

#[test]
fn a_link_that_is_cut_for_a_moment_harms_nothing() {
    if !can_be_made() {
        return;
    }
    at_once([Loss::All, Loss::Answers], |loss| {
        let link = Link::up();
        block(async {
            let spawner = spawner(RemoteConfig { lease: 8, ..link.sshd().config("tester") });
            let script = "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); echo $i; sleep 0.01; done; exit 9";
            let task = spawner.spawn_task(&sh(script).stdout(Output::Stream)).await.unwrap();
            let mut streams = spawner.task_output(&task).await.unwrap();
            let cut = async {
                link.lose(loss);
                tokio::time::sleep(Duration::from_millis(1200)).await;
                link.mend();
            };
            let (out, ()) = tokio::join!(read(streams.stdout.take()), cut);
            let expected: Vec<_> = (1..=200).map(|at| at.to_string()).collect();
            assert_eq!(String::from_utf8(out).unwrap(), expected.join("\n") + "\n");
            assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 9 });
            assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
            spawner.shutdown().await.unwrap();
        });
    });
}
