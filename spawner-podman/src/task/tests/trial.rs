//! A container of the tests, and who destroys it.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use spawner_core::{
    Admitted, Capabilities, Check, CleanupOutcome, Evidence, Exit, Journal, Lifetime, Logs, Mechanism,
    Result, Rungs, Spawner, Task, TaskId, TaskRecord, TaskState, TaskStreams, Teardown,
};

use super::SOON;
use crate::engine::{Endpoint, Engine};
use crate::local::{Local, Traces};
use crate::task::live::Live;
use crate::task::rungs::{Owner, PodmanRungs};
use crate::{KIND, PodmanConfig};

pub(super) fn podman(arguments: &[&str]) -> String {
    let output = Command::new("podman").args(arguments).output().expect("podman is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{error}; `eval \"$(scripts/podman.sh up DIR)\"` makes an engine for tests"
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The engine of the tests; `None` where somebody wants no such tests.
pub(super) fn address() -> Option<String> {
    if std::env::var("SPAWNER_SKIP").is_ok_and(|skip| skip.split(',').any(|name| name == "podman")) {
        println!("skipped: SPAWNER_SKIP names podman");
        return None;
    }
    Some(std::env::var("CONTAINER_HOST").expect("run `eval \"$(scripts/podman.sh up DIR)\"` first"))
}

/// Destroys, and does nothing else.
pub(super) struct Ender {
    pub(super) live: Arc<Live>,
    journal: Journal,
    _folder: tempfile::TempDir,
}

struct Nobody;

impl Owner for Nobody {
    fn settled(&self, live: &Live, proof: Evidence) {
        live.settle(proof);
    }
}

/// A container with our name and label.
pub(super) struct Trial {
    pub(super) ender: Ender,
    pub(super) task: Task,
    pub(super) id: String,
    pub(super) volumes: Vec<String>,
}

impl Trial {
    pub(super) async fn of(address: &str, options: &[&str], argv: &[&str]) -> Self {
        let task = TaskId::random();
        let (name, label) = (format!("--name=spawner-{task}"), format!("--label=spawner.task={task}"));
        let mark = format!("--env=SPAWNER_TASK_ID={task}");
        let common = ["run", "--detach", "--network=none", "--log-driver=none", &name, &label, &mark];
        let id = podman(&[&common[..], options, &["localhost/busybox:latest"], argv].concat());
        let config = Arc::new(PodmanConfig::default());
        let endpoint = Endpoint { address: address.to_owned(), private: false, settings: BTreeMap::new() };
        let engine = Engine::at(&endpoint, &config, tokio::time::Instant::now() + SOON).await.unwrap();
        let seen = engine.inspect(&id, tokio::time::Instant::now() + SOON).await.unwrap().unwrap();
        let local = Local::find(&seen);
        let mut traces = Traces { id: id.clone(), ..Traces::of(format!("spawner-{task}"), endpoint) };
        if let Some(local) = &local {
            traces.learn(local);
        }
        let record = TaskRecord {
            schema: TaskRecord::SCHEMA.into(),
            id: task,
            backend: KIND.into(),
            argv: Vec::new(),
            leader: traces.init.clone(),
            mechanisms: vec![Mechanism::ContainerEngine],
            lifetime: Lifetime::Harness,
            name: None,
            host: None,
            logs: Logs::default(),
        };
        let live = Live::new(record.clone(), Duration::ZERO, config, (traces, local, Some(engine)), None);
        live.account.note(&seen);
        let volumes = seen.volumes.iter().map(|volume| volume.name.clone()).collect();
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::at(folder.path().to_owned());
        let ender = Ender { live: Arc::new(live), journal, _folder: folder };
        Self { ender, task: Task::new(record), id, volumes }
    }

    /// Whether its engine gives it control groups of its own; a rootless one does not on version 1.
    pub(super) fn has_groups(&self) -> bool {
        !self.ender.live.local.as_ref().unwrap().groups().is_empty()
    }

    /// Whether it can be paused.
    pub(super) fn can_be_paused(&self) -> bool {
        if !self.has_groups() {
            println!("skipped: this engine gives containers no control groups, and so cannot pause them");
        }
        self.has_groups()
    }

    pub(super) async fn destroy(&self, teardown: &Teardown) -> (CleanupOutcome, Duration) {
        let began = Instant::now();
        let outcome = self.ender.destroy_task(&self.task, teardown).await;
        (outcome, began.elapsed())
    }

    /// Asks the system, and not what is tested.
    fn traces_left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for line in podman(&["ps", "--all", "--external", "--no-trunc", "--format", "{{.ID}}"]).lines() {
            left.extend((line == self.id).then(|| format!("container {line}")));
        }
        let volumes = podman(&["volume", "ls", "--format", "{{.Name}}"]);
        left.extend(
            volumes.lines().filter(|line| self.volumes.iter().any(|name| name == line)).map(String::from),
        );
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            if line.contains(&self.id) && line.contains("conmon") {
                left.push(format!("{} {}", entry.path().display(), line.replace('\0', " ")));
            }
        }
        let mut find = Command::new("find");
        let found = find.args(["/sys/fs/cgroup", "-name"]).arg(format!("*{}*", self.id)).output().unwrap();
        left.extend(String::from_utf8_lossy(&found.stdout).lines().map(String::from));
        left
    }

    pub(super) fn assert_nothing_left(&self) {
        let left = self.traces_left();
        assert!(left.is_empty(), "{left:#?}");
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        podman(&["rm", "--force", "--time=0", "--volumes", "--ignore", &self.id]);
    }
}

#[async_trait]
impl Spawner for Ender {
    fn name(&self) -> &str {
        KIND
    }
    fn kind(&self) -> &str {
        KIND
    }
    fn journal(&self) -> &Journal {
        &self.journal
    }
    fn capabilities(&self) -> &Capabilities {
        unimplemented!()
    }
    async fn check(&self) -> Result<Check> {
        unimplemented!()
    }
    async fn start_task(&self, _: Admitted<'_>) -> Result<Task> {
        unimplemented!()
    }
    async fn task_state(&self, _: &Task) -> Result<TaskState> {
        unimplemented!()
    }
    async fn wait_task(&self, _: &Task) -> Result<Exit> {
        Ok(self.live.ended().await.0)
    }
    async fn task_output(&self, _: &Task) -> Result<TaskStreams> {
        unimplemented!()
    }
    async fn signal_task(&self, _: &Task, _: i32) -> Result<()> {
        unimplemented!()
    }
    async fn rungs(&self, _: &Task) -> Result<Box<dyn Rungs + '_>> {
        Ok(Box::new(PodmanRungs::of(Arc::new(Nobody), Arc::clone(&self.live)).await))
    }
    async fn recover_task(&self, _: &TaskRecord) -> Result<Task> {
        unimplemented!()
    }
    async fn unrecorded(&self) -> Vec<TaskRecord> {
        unimplemented!()
    }
    fn abandoned(&self) -> Vec<CleanupOutcome> {
        Vec::new()
    }
}
