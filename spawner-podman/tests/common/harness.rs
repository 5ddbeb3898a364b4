//! Harnesses in processes of their own, which can be killed.

#![allow(dead_code)] // Each test uses some of it.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use spawner_core::journal::{Found, Journal};
use spawner_core::{Spawner as _, TaskRecord, TaskSpec};
use spawner_podman::{PodmanConfig, PodmanSpawner};

use crate::scratch::Scratch;

/// How long anything may take that should be there at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The settings of every spawner of these tests.
pub(crate) fn config(scratch: &Scratch) -> PodmanConfig {
    PodmanConfig {
        socket: Some(scratch.address()),
        image: Some("localhost/busybox:latest".into()),
        network: Some("none".into()),
        // Rootless containers have limits only where control groups are delegated.
        pids: rustix::process::geteuid().is_root().then_some(50),
        state_dir: Some(state(scratch)),
        sweep: false,
        ..PodmanConfig::default()
    }
}

pub(crate) fn state(scratch: &Scratch) -> PathBuf {
    scratch.folder().join("state")
}

/// A spawner of this process.
pub(crate) fn spawner(scratch: &Scratch) -> PodmanSpawner {
    PodmanSpawner::named("box", config(scratch)).unwrap()
}

/// What is on record.
pub(crate) fn records(scratch: &Scratch) -> Vec<TaskRecord> {
    let found = Journal::at(state(scratch)).read().unwrap().into_iter();
    let record = |found| match found {
        Found::Account(account) => account.record(),
        Found::Damaged { path, why } => panic!("{}: {why}", path.display()),
    };
    found.map(record).collect()
}

/// Every record is of before the last restart of this machine.
pub(crate) fn of_another_boot(scratch: &Scratch) {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for entry in std::fs::read_dir(state(scratch)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "task") {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace(boot.trim(), "00000000-0000-4000-8000-000000000000")).unwrap();
        }
    }
}

/// A process that starts these tasks and then does nothing. The test that calls this has an ignored test
/// `a_harness`, which calls [`be`].
pub(crate) struct Harness {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Harness {
    pub(crate) fn start(scratch: &Scratch, specs: &[TaskSpec]) -> Self {
        Self::start_with(scratch, specs, &config(scratch))
    }

    pub(crate) fn start_with(scratch: &Scratch, specs: &[TaskSpec], config: &PodmanConfig) -> Self {
        Self::start_in(scratch, specs, config, &[])
    }

    /// With these variables changed.
    pub(crate) fn start_in(
        scratch: &Scratch,
        specs: &[TaskSpec],
        config: &PodmanConfig,
        environment: &[(&str, Option<&Path>)],
    ) -> Self {
        let mut command = scratch.command(std::env::current_exe().unwrap());
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut process = command
            .args(["--ignored", "--exact", "a_harness", "--nocapture"])
            .env("TEST_CONFIG", serde_json::to_string(config).unwrap())
            .env("TEST_SPECS", serde_json::to_string(specs).unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Waits until all of its tasks run.
    pub(crate) fn ready(mut self) -> Self {
        let there = self.lines.by_ref().map(Result::unwrap).any(|line| line == "ready");
        assert!(there, "the harness has ended: {:?}", self.process.wait());
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it.
    pub(crate) fn dies(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Kills it and its helper, so that nobody ends what it started.
    pub(crate) fn dies_with_its_helper(self) {
        let helper = helper_of(self.pid()).unwrap();
        // A stopped one starts no other.
        signal(self.pid(), Signal::STOP);
        signal(helper, Signal::KILL);
        self.dies();
    }
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// The child of a process that ends containers when that dies.
pub(crate) fn helper_of(parent: u32) -> Option<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let children = threads.flat_map(|thread| {
        let children = std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default();
        children.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()
    });
    let is_helper = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"spawner-lifeline\0podman\0")
    };
    children.into_iter().find(is_helper)
}

/// What a harness does, for the ignored test.
pub(crate) fn be() {
    let Ok(config) = std::env::var("TEST_CONFIG") else { return };
    let config = serde_json::from_str(&config).unwrap();
    let specs: Vec<TaskSpec> = serde_json::from_str(&std::env::var("TEST_SPECS").unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let spawner = PodmanSpawner::named("box", config).unwrap();
        for spec in &specs {
            spawner.spawn_task(spec).await.unwrap();
        }
        println!("\nready");
        tokio::time::sleep(Duration::from_mins(2)).await;
    });
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{what} after {:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
}
