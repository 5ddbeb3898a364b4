//! Servers and connections that are killed, stopped and restarted while a task runs.

mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::canary::Canary;
use common::lab::{
    ACCOUNTS, LEASE, STUBBORN, at_once, becomes_clean, block, far_is_clean, held, here_is_clean,
    is_unverified, jitter, sh, spawner,
};
use common::lock::Witness;
use common::sshd::{Setup, Sshd};
use common::until;
use rustix::process::{Pid, Signal, kill_process};
use spawner_core::{Exit, Fate, Spawner as _, TaskState, Teardown};

/// What is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Struck {
    /// What serves the connection.
    Session,
    /// That, and who accepts others.
    Server,
    /// The ssh program that holds the connection.
    Master,
}

fn strike(sshd: &Sshd, struck: Struck, signal: Signal) -> Vec<Pid> {
    let pids = match struck {
        Struck::Session => sshd.connections(),
        Struck::Server => [sshd.pid()].into_iter().chain(sshd.connections()).collect(),
        Struck::Master => masters(sshd),
    };
    assert!(!pids.is_empty());
    pids.into_iter().filter(|pid| kill_process(*pid, signal).is_ok()).collect()
}

fn masters(sshd: &Sshd) -> Vec<Pid> {
    let number = |line: &String| line.split(' ').next().and_then(|pid| pid.parse().ok());
    let (sockets, all) = sshd.clients(&[]);
    assert_eq!(sockets.len(), 1);
    let is_master = |pid: &i32| {
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.contains("\0-M\0")
    };
    all.iter().filter_map(number).filter(is_master).filter_map(Pid::from_raw).collect()
}

#[test]
fn whoever_is_killed_or_stopped_in_mid_task_the_far_end_is_clean_in_time_and_that_is_proved() {
    let ways = [
        (Struck::Session, Signal::KILL),
        (Struck::Session, Signal::STOP),
        (Struck::Master, Signal::KILL),
        (Struck::Master, Signal::STOP),
    ];
    at_once(ways.into_iter().flat_map(|way| ACCOUNTS.map(|account| (way, account))), |(way, account)| {
        let (struck, signal) = way;
        let sshd = Sshd::start("");
        let witness = Witness::new();
        block(async {
            let spawner = spawner(sshd.config(account));
            let task = spawner.spawn_task(&sh(&witness.hold(STUBBORN))).await.unwrap();
            held(&witness);
            let (sockets, _) = sshd.clients(&[]);
            let began = Canary::start();
            let stopped = strike(&sshd, struck, signal);
            let lease = if signal == Signal::STOP { LEASE } else { Duration::ZERO };
            far_is_clean(&sshd, &witness, &began, lease + Duration::from_secs(1));
            let exit = tokio::time::timeout(LEASE * 2 + jitter(), spawner.wait_task(&task)).await;
            assert!(matches!(exit.expect("it is given up").unwrap(), Exit::Lost { .. }), "{way:?}");
            let noticed = began.elapsed();
            let outcome = becomes_clean(&spawner, &task).await;
            println!("{way:?}, {account}: lost after {noticed:?}, clean in {:?}", outcome.elapsed());
            assert!(matches!(spawner.task_state(&task).await.unwrap(), TaskState::Gone(_)));
            for pid in stopped.into_iter().filter(|_| signal == Signal::STOP) {
                // The ssh program was killed by the backend, and is reaped.
                if struck != Struck::Master {
                    kill_process(pid, Signal::CONT).unwrap();
                }
            }
            spawner.shutdown().await.unwrap();
            here_is_clean(&sshd, &sockets);
        });
        until("no connection is left", common::PATIENCE, || sshd.connections().is_empty());
    });
}

#[test]
fn a_task_destroyed_while_its_server_is_stopped_or_gone_is_clean_once_that_is_back() {
    let ways =
        [Signal::KILL, Signal::STOP].into_iter().flat_map(|way| ACCOUNTS.map(|account| (way, account)));
    at_once(ways, |(signal, account)| {
        let mut sshd = Sshd::start("");
        let witness = Witness::new();
        block(async {
            let spawner = spawner(sshd.config(account));
            let task = spawner.spawn_task(&sh(&witness.hold(STUBBORN))).await.unwrap();
            held(&witness);
            let (sockets, _) = sshd.clients(&[]);
            let began = Canary::start();
            let stopped = strike(&sshd, Struck::Server, signal);
            let teardown =
                Teardown::default().grace(Duration::from_millis(300)).deadline(Duration::from_millis(500));
            for _ in 0..2 {
                let asked = Instant::now();
                let outcome = spawner.destroy_task(&task, &teardown).await;
                is_unverified(&outcome, &task, &teardown, asked.elapsed());
                assert_eq!(sshd.records().len(), 1);
            }
            far_is_clean(&sshd, &witness, &began, LEASE + Duration::from_secs(1));
            if signal == Signal::KILL {
                sshd = sshd.again(&Setup::default());
            } else {
                for pid in stopped {
                    kill_process(pid, Signal::CONT).unwrap();
                }
            }
            drop(becomes_clean(&spawner, &task).await);
            spawner.shutdown().await.unwrap();
            here_is_clean(&sshd, &sockets);
        });
    });
}

/// Sets up a server whose host says that it was restarted.
fn rebooted(sshd: &Sshd) -> Setup {
    let boot: PathBuf = sshd.at("boot");
    std::fs::write(&boot, "01234567-89ab-cdef-0123-456789abcdef\n").unwrap();
    let mount = "mount --bind \"$1\" /proc/sys/kernel/random/boot_id; shift; exec \"$@\"";
    let boot = boot.display().to_string();
    let under = ["unshare", "--mount", "sh", "-ec", mount, "sh", &boot].map(str::to_owned).to_vec();
    Setup { under, ..Setup::default() }
}

#[test]
fn on_a_host_that_was_restarted_all_is_gone_and_nobody_is_signalled() {
    at_once(ACCOUNTS, |account| {
        let mut sshd = Sshd::start("");
        let witness = Witness::new();
        let go = sshd.at("go");
        block(async {
            let spawner = spawner(sshd.config(account));
            let attached = spawner.spawn_task(&sh(STUBBORN)).await.unwrap();
            // In truth nothing is restarted, and this one goes on: it stands for a stranger with its number.
            let script = "while [ ! -e \"$GO\" ]; do sleep 0.05; done";
            let spec = sh(&witness.hold(script)).env("GO", &go).detached();
            let detached = spawner.spawn_task(&spec).await.unwrap();
            held(&witness);
            strike(&sshd, Struck::Server, Signal::KILL);
            let leader = attached.record().leader.clone().unwrap().pid;
            until("the attached one has ended", common::PATIENCE, || !common::runs(leader));
            let setup = rebooted(&sshd);
            sshd = sshd.again(&setup);
            for task in [&attached, &detached] {
                let outcome = becomes_clean(&spawner, task).await;
                let fates: Vec<_> = outcome.resources().iter().map(|one| one.fate).collect();
                assert_eq!(fates, [Fate::AlreadyGone], "{outcome:?}");
            }
            let exit = spawner.wait_task(&detached).await.unwrap();
            assert!(matches!(exit, Exit::Lost { .. }), "{exit:?}");
            assert!(!witness.all_gone(), "somebody was signalled whose boot is another");
            assert!(sshd.records().is_empty());
            // Tasks of the new boot are as any others.
            let next = spawner.spawn_task(&sh("exit 3")).await.unwrap();
            assert_eq!(spawner.wait_task(&next).await.unwrap(), Exit::Exited { code: 3 });
            assert!(spawner.destroy_task(&next, &Teardown::default()).await.is_clean());
            spawner.shutdown().await.unwrap();
            std::fs::write(sshd.at("go"), "").unwrap();
            until("it ends", common::PATIENCE, || witness.all_gone());
        });
    });
}
