//! A harness dies, and its containers are gone within five seconds; and the engine that was its own.

#[path = "common/harness.rs"]
mod harness;
#[path = "common/scratch.rs"]
mod scratch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{Harness, config, helper_of, records, until};
use rustix::process::{Pid, Signal, kill_process};
use scratch::Scratch;
use spawner_core::{ProcessIdentity, TaskSpec};
use spawner_podman::PodmanConfig;

/// How long containers of a dead harness may take to go.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
#[ignore = "a process of the other tests"]
fn a_harness() {
    harness::be();
}

fn sleeper() -> TaskSpec {
    TaskSpec::new(["sh", "-c", "trap '' TERM; sleep 300 & wait"])
}

fn gone(scratch: &Scratch, what: &str) {
    let died = Instant::now();
    until(what, || scratch.containers().is_empty());
    let took = died.elapsed();
    println!("{what}: {took:?}");
    assert!(took < AT_ONCE, "{what}: {took:?}");
    until("records", || records(scratch).is_empty());
}

#[test]
fn many_containers_go_with_their_harness() {
    let Some(scratch) = Scratch::up() else { return };
    let harness = Harness::start(&scratch, &vec![sleeper(); 20]).ready();
    assert_eq!(scratch.containers().lines().count(), 20);
    harness.dies();
    gone(&scratch, "twenty containers");
}

#[test]
fn a_container_with_a_network_goes_too() {
    let Some(scratch) = Scratch::up() else { return };
    let root = rustix::process::geteuid().is_root();
    if !root && std::fs::File::options().write(true).open("/dev/net/tun").is_err() {
        println!("skipped: without /dev/net/tun a rootless container has no network");
        return;
    }
    let config = PodmanConfig { network: Some("bridge".into()), ..config(&scratch) };
    Harness::start_with(&scratch, &vec![sleeper(); 2], &config).ready().dies();
    gone(&scratch, "two containers with networks");
}

#[test]
fn a_stopped_helper_does_its_work_when_its_harness_is_dead() {
    let Some(scratch) = Scratch::up() else { return };
    let harness = Harness::start(&scratch, &[sleeper()]).ready();
    let helper = Pid::from_raw(helper_of(harness.pid()).unwrap().cast_signed()).unwrap();
    kill_process(helper, Signal::STOP).unwrap();
    harness.dies();
    gone(&scratch, "a container whose helper was stopped");
}

#[test]
fn a_private_engine_ends_with_its_harness_be_it_stopped() {
    let Some(scratch) = Scratch::up() else { return };
    for stopped in [false, true] {
        let runtime = scratch.folder().join("runtime");
        std::fs::create_dir_all(&runtime).unwrap();
        let config = PodmanConfig { socket: None, ..config(&scratch) };
        let environment = [("CONTAINER_HOST", None), ("XDG_RUNTIME_DIR", Some(runtime.as_path()))];
        let harness = Harness::start_in(&scratch, &[sleeper()], &config, &environment).ready();
        let folders = || std::fs::read_dir(&runtime).unwrap().map(|entry| entry.unwrap().path());
        let folder: PathBuf =
            folders().find(|path| path.to_string_lossy().contains("spawner-engine-")).unwrap();
        let note = std::fs::read(folder.join("process")).unwrap();
        let engine: ProcessIdentity = serde_json::from_slice(&note).unwrap();
        assert!(engine.is_alive());
        if stopped {
            kill_process(Pid::from_raw(engine.pid.cast_signed()).unwrap(), Signal::STOP).unwrap();
        }
        harness.dies();
        gone(&scratch, "a container of a private engine");
        until("the engine", || !engine.is_alive());
        until("its folder", || !folder.exists());
    }
}
