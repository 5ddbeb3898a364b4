//! Several hosts in one backend, each a real sshd of its own.

mod common;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use common::sshd::Sshd;
use common::until;
use spawner_core::{ErrorKind, Exit, Input, Output, Spawner, Task, TaskSpec, Teardown};
use spawner_remote::{Destination, RemoteConfig, RemoteSpawner, Require};

const ACCOUNTS: [&str; 3] = ["root", "tester", "tester"];

fn sh(script: &str) -> TaskSpec {
    TaskSpec::new(["/bin/sh", "-c", script]).stdin(Input::Null).stdout(Output::Null).stderr(Output::Null)
}

fn quick() -> Teardown {
    Teardown::default().grace(Duration::from_millis(500)).deadline(Duration::from_secs(2))
}

/// One backend for all of them; each takes two tasks.
fn farm(servers: &[Sshd]) -> RemoteConfig {
    let known = servers[0].at("all-known");
    let keys = servers.iter().map(|server| std::fs::read_to_string(server.at("known")).unwrap());
    std::fs::write(&known, keys.collect::<String>()).unwrap();
    let destinations = servers.iter().zip(ACCOUNTS).map(|(server, account)| {
        let one = server.config(account);
        Destination { port: one.port, identity_file: one.identity_file, ..Destination::at(one.destination) }
    });
    let destinations = destinations.collect();
    let slots = NonZeroU32::new(2);
    RemoteConfig {
        destination: String::new(),
        destinations,
        slots,
        known_hosts_file: Some(known),
        ..servers[0].config("")
    }
}

fn block<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_mins(2), future).await.expect("it ends") })
}

/// At which of the servers a task is.
fn place(config: &RemoteConfig, task: &Task) -> usize {
    let host = task.record().host.as_deref().unwrap();
    let name = |one: &Destination| format!("{}:{}", one.destination, one.port.unwrap());
    config.destinations.iter().position(|one| name(one) == host).unwrap()
}

#[test]
fn tasks_are_spread_and_wait_in_order_for_a_slot() {
    let servers: Vec<_> = (0..3).map(|_| Sshd::start("")).collect();
    let config = farm(&servers);
    block(async {
        let spawner = RemoteSpawner::named("lab", config.clone()).unwrap();
        let check = spawner.check().await.unwrap();
        assert!(check.answered.starts_with("3 of 3 hosts: "), "{}", check.answered);
        let mut running = Vec::new();
        for _ in 0..6 {
            running.push(spawner.spawn_task(&sh("sleep 7801")).await.unwrap());
        }
        let mut places: Vec<_> = running.iter().map(|task| place(&config, task)).collect();
        places.sort_unstable();
        assert_eq!(places, [0, 0, 1, 1, 2, 2]);
        // All are taken: who asks waits, and who does not want it any more leaves no hole.
        let dropped = tokio::time::timeout(Duration::from_millis(100), spawner.spawn_task(&sh(":"))).await;
        assert!(dropped.is_err());
        // Polled once, each stands behind the one before.
        let spec = sh("sleep 7802");
        let mut waiting: Vec<_> = (0..3).map(|_| spawner.spawn_task(&spec)).collect();
        for one in &mut waiting {
            assert!(tokio::time::timeout(Duration::ZERO, one).await.is_err());
        }
        let first: Vec<_> = running.drain(..3).collect();
        for (at, task) in first.iter().enumerate() {
            assert!(spawner.destroy_task(task, &quick()).await.is_clean());
            for later in &mut waiting[1..] {
                assert!(tokio::time::timeout(Duration::ZERO, later).await.is_err(), "{at} is overtaken");
            }
            let next = waiting.remove(0).await.unwrap();
            assert_eq!(place(&config, &next), place(&config, task));
            running.push(next);
        }
        drop(waiting);
        for task in &running {
            assert!(spawner.destroy_task(task, &quick()).await.is_clean());
        }
        assert!(servers[0].records().is_empty());
        spawner.shutdown().await.unwrap();
    });
    for server in &servers {
        until("no connection is left", common::PATIENCE, || server.connections().is_empty());
    }
}

#[test]
fn a_host_that_dies_is_left_out_and_named_and_comes_back() {
    let mut servers: Vec<_> = (0..3).map(|_| Sshd::start("")).collect();
    let config = farm(&servers);
    block(async {
        let spawner = RemoteSpawner::named("lab", config.clone()).unwrap();
        let mut tasks = Vec::new();
        for _ in 0..3 {
            tasks.push(spawner.spawn_task(&sh("sleep 7803")).await.unwrap());
        }
        let victim = place(&config, &tasks[0]);
        let port = config.destinations[victim].port.unwrap().to_string();
        servers[victim].kill();
        let lost = spawner.wait_task(&tasks[0]).await.unwrap();
        assert!(matches!(lost, Exit::Lost { .. }), "{lost}");
        // Four slots are left at the others; nobody's start fails, nor waits for the dead one.
        let began = Instant::now();
        for _ in 0..(4 - tasks[1..].iter().filter(|task| place(&config, task) != victim).count()) {
            let task = spawner.spawn_task(&sh("sleep 7804")).await.unwrap();
            assert_ne!(place(&config, &task), victim);
            tasks.push(task);
        }
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        let check = spawner.check().await.unwrap();
        assert!(check.answered.starts_with("2 of 3 hosts: "), "{}", check.answered);
        assert!(
            check.notes.iter().any(|note| note.contains("left out") && note.contains(&port)),
            "{check:?}"
        );
        let outcome =
            spawner.destroy_task(&tasks[0], &Teardown::at_once().deadline(Duration::from_millis(500))).await;
        assert!(!outcome.is_clean() && outcome.to_string().contains(&format!("ssh -p {port}")), "{outcome}");
        // It is back: the next start, for which nobody else has room, gets it, once it was tried again.
        servers[victim].restart();
        let task = spawner.spawn_task(&sh("exit 5")).await.unwrap();
        assert_eq!(place(&config, &task), victim);
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 5 });
        for task in tasks.iter().chain([&task]) {
            let outcome = spawner.destroy_task(task, &quick()).await;
            assert!(outcome.is_clean(), "{outcome}");
        }
        assert!(servers[0].records().is_empty());
        spawner.shutdown().await.unwrap();
    });
}

#[test]
fn where_no_host_is_up_each_is_named_with_its_reason() {
    let mut servers: Vec<_> = (0..2).map(|_| Sshd::start("")).collect();
    let mut config = farm(&servers);
    let port = config.destinations[1].port.unwrap();
    servers[1].kill();
    // The first refuses the key; at the second nobody listens.
    config.destinations[0].identity_file = Some(servers[0].at("host"));
    block(async {
        let spawner = RemoteSpawner::named("lab", config.clone()).unwrap();
        let error = spawner.spawn_task(&sh(":")).await.unwrap_err();
        let told = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{told}");
        assert!(told.contains("Permission denied") && told.contains("root@127.0.0.1"), "{told}");
        assert!(told.contains("Connection refused") && told.contains(&port.to_string()), "{told}");
        assert!(told.contains("tried again in"), "{told}");
        // At once: nobody is asked before its time.
        let began = Instant::now();
        let error = spawner.spawn_task(&sh(":")).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_millis(500), "{error}");
        assert!(spawner.check().await.unwrap_err().to_string().contains("Permission denied"));
        spawner.shutdown().await.unwrap();
    });
}

#[test]
fn hosts_that_lack_what_is_required_are_left_out() {
    let servers: Vec<_> = (0..2).map(|_| Sshd::start("")).collect();
    let config = RemoteConfig { require: Some(Require::Cgroup), ..farm(&servers) };
    block(async {
        let spawner = RemoteSpawner::named("lab", config.clone()).unwrap();
        for _ in 0..3 {
            let task = spawner.spawn_task(&sh(":")).await.unwrap();
            assert_eq!(place(&config, &task), 0);
            assert!(spawner.destroy_task(&task, &quick()).await.is_clean());
        }
        let check = spawner.check().await.unwrap();
        assert!(
            check.notes.iter().any(|note| note.contains("tester@") && note.contains("control group")),
            "{check:?}"
        );
        spawner.shutdown().await.unwrap();
    });
}

#[test]
fn tasks_on_every_host_are_recovered_and_destroyed() {
    let servers: Vec<_> = (0..2).map(|_| Sshd::start("")).collect();
    let config = farm(&servers);
    block(async {
        let first = RemoteSpawner::named("lab", config.clone()).unwrap();
        let mut tasks = Vec::new();
        for _ in 0..4 {
            tasks.push(first.spawn_task(&sh("sleep 7805").detached()).await.unwrap());
        }
        let places: Vec<_> = tasks.iter().map(|task| place(&config, task)).collect();
        assert!(places.contains(&0) && places.contains(&1), "{places:?}");
        first.shutdown().await.unwrap();
        let second = RemoteSpawner::named("lab", config.clone()).unwrap();
        for task in &tasks {
            let again = second.recover_task(task.record()).await.unwrap();
            assert!(second.destroy_task(&again, &quick()).await.is_clean());
        }
        assert!(servers[0].records().is_empty());
        second.shutdown().await.unwrap();
    });
}
