//! A harness dies at every step of a start, with an engine in every condition.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use bollard::models::{ContainerCreateBody, HostConfig};
use rustix::process::{Pid, Signal, kill_process};
use spawner_core::proc::Stat;
use spawner_core::{Journal, ProcessIdentity, TaskId, TaskRecord, TaskSpec};

use super::{Charge, Keep};
use crate::config::PodmanConfig;
use crate::engine::{Endpoint, Engine};
use crate::local::{Local, Traces};

/// How long everything of a dead harness may take to go.
const AT_ONCE: Duration = Duration::from_secs(5);

/// How long the helper may stay when it cannot do its work.
const AT_LAST: Duration = Duration::from_secs(15);

#[path = "../../tests/common/scratch.rs"]
mod scratch;

use scratch::Scratch;

/// A harness in a process of its own, that has come to `stage` of a start.
struct Harness {
    process: Child,
    page: PathBuf,
    helper: u32,
    init: Option<u32>,
}

impl Harness {
    fn start(scratch: &Scratch, stage: &str) -> Self {
        let mut process = scratch
            .command(std::env::current_exe().unwrap().to_str().unwrap())
            .args(["--ignored", "--exact", "keep::tests::a_harness", "--nocapture"])
            .env("TEST_STAGE", stage)
            .env("TEST_STATE", scratch.folder().join("state"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("there ").map(str::to_owned));
        let line = line.unwrap_or_else(|| panic!("the harness has ended: {:?}", process.wait()));
        let mut words = line.split(' ').map(str::to_owned);
        let page = words.next().unwrap().into();
        let helper = words.next().unwrap().parse().unwrap();
        Self { process, page, helper, init: words.next().and_then(|pid| pid.parse().ok()) }
    }

    /// Kills it; its task's processes are gone at once.
    fn dies(&mut self) -> Instant {
        assert!(self.init.is_none_or(|init| !is_gone(init)));
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        Instant::now()
    }
}

fn until(what: &str, patience: Duration, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < patience, "{what} after {:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_gone(pid: u32) -> bool {
    ProcessIdentity::of(pid).is_none()
}

#[test]
fn nothing_of_a_harness_that_dies_is_left_whatever_its_start_had_come_to() {
    let Some(scratch) = Scratch::up() else { return };
    for stage in ["told", "created", "running", "started", "paused", "detached-created"] {
        let mut harness = Harness::start(&scratch, stage);
        assert_eq!(scratch.containers().is_empty(), stage == "told", "{stage}");
        let died = harness.dies();
        until("processes", AT_ONCE, || harness.init.is_none_or(is_gone));
        let processes = died.elapsed();
        until("the container", AT_ONCE, || scratch.containers().is_empty());
        println!("{stage}: the processes after {processes:?}, the container after {:?}", died.elapsed());
        until("the helper", AT_LAST, || is_gone(harness.helper));
        // What was never seen may come yet.
        assert_eq!(harness.page.exists(), stage == "told", "{stage}");
    }
    let mut harness = Harness::start(&scratch, "detached-started");
    harness.dies();
    until("the helper", AT_LAST, || is_gone(harness.helper));
    assert!(!harness.init.is_none_or(is_gone) && harness.page.exists());
    kill_process(Pid::from_raw(harness.init.unwrap().cast_signed()).unwrap(), Signal::KILL).unwrap();
    assert!(scratch.command("podman").args(["rm", "--all", "--force"]).output().unwrap().status.success());
}

#[test]
fn nothing_runs_on_when_the_engine_is_stopped_and_it_is_removed_when_that_goes_on() {
    let Some(scratch) = Scratch::up() else { return };
    for stage in ["created", "running", "started", "paused"] {
        let mut harness = Harness::start(&scratch, stage);
        scratch.signal(Signal::STOP);
        let died = harness.dies();
        until("processes", AT_ONCE, || harness.init.is_none_or(is_gone));
        let processes = died.elapsed();
        until("the container", AT_ONCE, || scratch.containers().is_empty());
        println!("{stage}: the processes after {processes:?}, the container after {:?}", died.elapsed());
        until("the helper", AT_LAST, || is_gone(harness.helper));
        assert!(!harness.page.exists(), "{stage}");
        scratch.signal(Signal::CONT);
    }
}

#[test]
fn nothing_is_left_when_the_engine_was_killed_too() {
    let Some(scratch) = Scratch::up() else { return };
    let mut harnesses: Vec<_> =
        ["created", "running", "started", "paused"].map(|stage| Harness::start(&scratch, stage)).into();
    scratch.signal(Signal::KILL);
    for harness in &mut harnesses {
        harness.dies();
    }
    until("processes", AT_ONCE, || harnesses.iter().all(|harness| harness.init.is_none_or(is_gone)));
    until("containers", AT_ONCE, || scratch.containers().is_empty());
    until("helpers", AT_LAST, || harnesses.iter().all(|harness| is_gone(harness.helper)));
    assert!(harnesses.iter().all(|harness| !harness.page.exists()));
}

#[test]
fn a_helper_that_is_killed_is_replaced_by_one_that_knows_all() {
    let Some(scratch) = Scratch::up() else { return };
    let mut harness = Harness::start(&scratch, "started");
    let own = harness.process.id();
    kill_process(Pid::from_raw(harness.helper.cast_signed()).unwrap(), Signal::KILL).unwrap();
    let mut next = None;
    until("no other helper", AT_ONCE, || {
        next = helper_of(own).filter(|pid| *pid != harness.helper);
        // It has been told everything when it waits for more.
        let stat = next.and_then(|pid| Stat::of(pid.cast_signed()).ok());
        stat.is_some_and(|stat| stat.name == "spawner-keep" && stat.state == b'S')
    });
    harness.dies();
    until("processes", AT_ONCE, || harness.init.is_none_or(is_gone));
    until("the container", AT_ONCE, || scratch.containers().is_empty());
    until("the helper", AT_LAST, || next.is_none_or(is_gone));
    assert!(!harness.page.exists());
}

#[test]
fn nothing_is_left_at_whichever_instant_between_create_and_started_the_harness_dies() {
    let Some(scratch) = Scratch::up() else { return };
    for round in 0..3 {
        let mut harnesses: Vec<_> = (0..6).map(|_| Harness::start(&scratch, "walking")).collect();
        for (turn, harness) in harnesses.iter_mut().enumerate() {
            std::fs::write(harness.page.with_extension("go"), "").unwrap();
            // The answer to create comes after some 15 ms, that to start after 60 more.
            std::thread::sleep(Duration::from_millis(u64::try_from(turn).unwrap() * 17 + round * 5));
            harness.dies();
        }
        until("containers", AT_LAST, || scratch.containers().is_empty());
        until("helpers", AT_LAST, || harnesses.iter().all(|harness| is_gone(harness.helper)));
        assert_eq!(scratch.containers(), "");
        let left = harnesses.iter().filter(|harness| harness.page.exists()).count();
        println!("round {round}: {left} containers were never seen");
    }
}

/// The child of a process that is a helper.
fn helper_of(parent: u32) -> Option<u32> {
    let children = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap().flat_map(|thread| {
        std::fs::read_to_string(thread.unwrap().path().join("children"))
            .unwrap_or_default()
            .split_ascii_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect::<Vec<u32>>()
    });
    children.into_iter().find(|pid| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.starts_with(b"spawner-lifeline\0podman\0"))
    })
}

#[test]
#[ignore = "a process of the other tests"]
fn a_harness() {
    let Ok(stage) = std::env::var("TEST_STAGE") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (detached, stage) = match stage.strip_prefix("detached-") {
            Some(stage) => (true, stage),
            None => (false, stage.as_str()),
        };
        let config = PodmanConfig::default();
        let endpoint = Endpoint {
            address: std::env::var("CONTAINER_HOST").unwrap(),
            private: false,
            settings: std::collections::BTreeMap::new(),
        };
        let by = tokio::time::Instant::now() + Duration::from_secs(20);
        let engine = Engine::at(&endpoint, &config, by).await.unwrap();
        let spec = TaskSpec::new(["sleep", "300"]);
        let spec = if detached { spec.detached() } else { spec };
        let record = TaskRecord::of(TaskId::random(), "box", &spec);
        let mut traces = Traces::of(format!("spawner-{}", record.id), endpoint.clone());
        let journal = Journal::at(std::env::var_os("TEST_STATE").unwrap());
        let page = journal.open(crate::KIND, &record, serde_json::to_value(&traces).unwrap()).unwrap();
        let keep = Keep::new(&config);
        let charge = Charge {
            task: record.id,
            name: traces.name.clone(),
            endpoint,
            page: Some(page.path().to_owned()),
            detached,
            traces: None,
        };
        keep.about_to_create(charge).unwrap();
        let there = |init: Option<u32>| {
            let mut helper = None;
            // The kernel's list of children may leave one out while others come and go (proc(5)).
            until("no helper", AT_ONCE, || {
                helper = helper_of(std::process::id());
                helper.is_some()
            });
            let helper = helper.unwrap();
            let init = init.map_or("-".to_owned(), |init| init.to_string());
            println!("\nthere {} {helper} {init}", page.path().display());
        };
        if stage == "walking" {
            there(None);
            until("told to go", AT_LAST, || page.beside("go").exists());
        }
        let stages = ["told", "created", "running", "started", "walking", "paused"];
        let reached =
            |name| stages.iter().position(|one| *one == stage) >= stages.iter().position(|one| *one == name);
        let mut init = None;
        if reached("created") {
            let host = HostConfig { network_mode: Some("none".into()), ..HostConfig::default() };
            let body = ContainerCreateBody {
                image: Some("localhost/busybox:latest".into()),
                cmd: Some(vec!["sleep".into(), "300".into()]),
                env: Some(vec![format!("SPAWNER_TASK_ID={}", record.id)]),
                labels: Some(crate::remains::labels(&record).into_iter().collect()),
                host_config: Some(host),
                ..ContainerCreateBody::default()
            };
            traces.id = engine.create(&traces.name, body, by).await.unwrap();
        }
        if reached("running") {
            engine.start(&traces.id, by).await.unwrap();
            let seen = engine.inspect(&traces.id, by).await.unwrap().unwrap();
            let local = Local::find(&seen).unwrap();
            init = Some(local.init().pid);
            traces.learn(&local);
        }
        if reached("started") {
            keep.started(record.id, &traces);
        }
        if reached("paused") {
            engine.pause(&traces.id, by).await.unwrap();
        }
        there(init);
        tokio::time::sleep(Duration::from_mins(1)).await;
    });
}
