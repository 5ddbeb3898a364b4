//! Answers of the engine that are lost, cut, garbled or wrong, at every step of a start: nothing of it is left.

#[path = "common/life.rs"]
mod life;
#[path = "common/proxy.rs"]
mod proxy;
#[path = "common/scratch.rs"]
mod scratch;

use std::time::Duration;

use life::{clean, config, end, sh};
use proxy::{Fault, Proxy};
use scratch::Scratch;
use spawner_core::{ErrorKind, Output, Spawner as _};
use spawner_podman::{PodmanConfig, PodmanSpawner};
use tokio::time::{Instant, timeout};

fn behind(scratch: &Scratch) -> (Proxy, PodmanSpawner) {
    let proxy = Proxy::before(&scratch.address(), &scratch.folder().join("proxy.sock"));
    let config = PodmanConfig { socket: Some(proxy.address()), ..config(scratch) };
    (proxy, PodmanSpawner::new(config).unwrap())
}

/// Nothing of any container, and no record, soon.
async fn empty(scratch: &Scratch, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let records = std::fs::read_dir(scratch.folder().join("state")).map_or(0, Iterator::count);
        let containers = scratch.containers();
        if containers.is_empty() && records == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {records} records, {containers}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const STEPS: [(&str, &str); 5] = [
    ("POST", "/containers/create"),
    ("POST", "/attach"),
    ("POST", "/init"),
    ("GET", "/containers/"),
    ("POST", "/start"),
];

#[tokio::test]
async fn a_start_whose_answers_are_spoiled_leaves_nothing() {
    let Some(scratch) = Scratch::up() else { return };
    let (proxy, spawner) = behind(&scratch);
    let mut refusals = 0;
    for (method, part) in STEPS {
        for fault in [
            Fault::Refuse,
            Fault::Cut(0),
            Fault::Cut(20),
            Fault::HalfBody,
            Fault::Corrupt,
            Fault::Garbage,
            Fault::Error("it will not"),
            Fault::FalseError("it did not"),
        ] {
            // What was never heard of may be made yet, for all that can be known: see tests/unheard.rs.
            if part == "/containers/create" && matches!(fault, Fault::Refuse) {
                continue;
            }
            let what = format!("{method} {part}: {fault:?}");
            proxy.spoil_next(method, part, fault);
            let stdout = if part == "/init" { Output::Null } else { Output::Stream };
            let spec = sh("sleep 60").stdout(stdout);
            // An answer without a body has none to be spoiled.
            match timeout(Duration::from_secs(20), spawner.spawn_task(&spec)).await.expect(&what) {
                Ok(task) => {
                    end(&spawner, &task).await;
                }
                Err(error) => {
                    refusals += 1;
                    assert_ne!(error.kind(), ErrorKind::TimedOut, "{what}: {error}");
                    error.cleanup().into_iter().for_each(clean);
                }
            }
            proxy.mend();
            empty(&scratch, &what).await;
        }
    }
    assert!(refusals > 20, "{refusals}");
}

#[tokio::test]
async fn a_start_that_is_dropped_while_an_answer_hangs_leaves_nothing() {
    let Some(scratch) = Scratch::up() else { return };
    let (proxy, spawner) = behind(&scratch);
    for (method, part) in STEPS {
        for fault in [Fault::Hang, Fault::Swallow] {
            // The request that was swallowed may be on its way still, for all that can be known; that takes long.
            if part == "/containers/create" && matches!(fault, Fault::Swallow) {
                continue;
            }
            let what = format!("{method} {part}: {fault:?}");
            proxy.spoil_next(method, part, fault);
            let stdout = if part == "/init" { Output::Null } else { Output::Stream };
            let spec = sh("sleep 60").stdout(stdout);
            let started = timeout(Duration::from_millis(700), spawner.spawn_task(&spec)).await;
            assert!(started.is_err(), "{what}: it did not hang");
            empty(&scratch, &what).await;
        }
    }
    for outcome in spawner.abandoned() {
        clean(&outcome);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_and_its_holder_left_alone() {
    let Some(scratch) = Scratch::up() else { return };
    let (proxy, spawner) = behind(&scratch);
    scratch.podman(&[
        "run",
        "--detach",
        "--name=other",
        "--network=none",
        "localhost/busybox",
        "sleep",
        "60",
    ]);
    proxy.spoil_next(
        "POST",
        "/containers/create",
        Fault::Error("the container name \"x\" is already in use by 1"),
    );
    let error = spawner.spawn_task(&sh("true")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Taken, "{error}");
    assert_eq!(scratch.containers().lines().count(), 1);
    scratch.podman(&["rm", "--force", "--time=0", "other"]);
    empty(&scratch, "").await;
}
