//! Whole lives of tasks, for tests that look at one part of them.

#![allow(dead_code)] // Each test uses some of it.

use spawner_core::{
    CleanupOutcome, Error, ErrorKind, Exit, Input, Output, Spawner as _, Task, TaskSpec, TaskStreams,
    Teardown, Usage,
};
use spawner_podman::{PodmanConfig, PodmanSpawner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::scratch::Scratch;

pub(crate) fn config(scratch: &Scratch) -> PodmanConfig {
    PodmanConfig {
        socket: Some(scratch.address()),
        image: Some("localhost/busybox:latest".into()),
        network: Some("none".into()),
        state_dir: Some(scratch.folder().join("state")),
        ..PodmanConfig::default()
    }
}

pub(crate) fn spawner(scratch: &Scratch) -> PodmanSpawner {
    PodmanSpawner::new(config(scratch)).unwrap()
}

pub(crate) fn sh(line: &str) -> TaskSpec {
    null(TaskSpec::new(["sh", "-c", line]))
}

pub(crate) fn null(spec: TaskSpec) -> TaskSpec {
    spec.stdin(Input::Null).stdout(Output::Null).stderr(Output::Null)
}

pub(crate) fn clean(outcome: &CleanupOutcome) {
    assert!(outcome.is_clean(), "{outcome}\n{outcome:#?}");
}

/// Destroys it, which must be clean; says what it used.
pub(crate) async fn end(spawner: &PodmanSpawner, task: &Task) -> Option<Usage> {
    let outcome = spawner.destroy_task(task, &Teardown::at_once()).await;
    clean(&outcome);
    outcome.usage()
}

/// How it ends by itself.
pub(crate) async fn exit(spawner: &PodmanSpawner, spec: &TaskSpec) -> Exit {
    let task = spawner.spawn_task(spec).await.unwrap();
    let exit = spawner.wait_task(&task).await.unwrap();
    end(spawner, &task).await;
    exit
}

/// What both of its outputs are, given this input.
pub(crate) async fn talk(spawner: &PodmanSpawner, spec: &TaskSpec, input: &[u8]) -> (Vec<u8>, Vec<u8>, Exit) {
    let spec = spec.clone().stdin(Input::Stream).stdout(Output::Stream).stderr(Output::Stream);
    let task = spawner.spawn_task(&spec).await.unwrap();
    let TaskStreams { stdin, stdout, stderr, .. } = spawner.task_output(&task).await.unwrap();
    let (mut stdin, mut stdout, mut stderr) = (stdin.unwrap(), stdout.unwrap(), stderr.unwrap());
    let feed = async {
        // It may end without having read all of it.
        let fed = stdin.write_all(input).await;
        drop(stdin);
        fed
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (_, read, read_too) = tokio::join!(feed, stdout.read_to_end(&mut out), stderr.read_to_end(&mut err));
    read.and(read_too).unwrap();
    let exit = spawner.wait_task(&task).await.unwrap();
    end(spawner, &task).await;
    (out, err, exit)
}

/// What a shell says.
pub(crate) async fn says(spawner: &PodmanSpawner, spec: &TaskSpec) -> String {
    let (out, err, exit) = talk(spawner, spec, b"").await;
    assert!(exit.success(), "{exit}: {}", String::from_utf8_lossy(&err));
    String::from_utf8(out).unwrap()
}

/// Why it is not started; nothing of it may be left.
pub(crate) async fn refused(spawner: &PodmanSpawner, spec: &TaskSpec, kind: ErrorKind) -> Error {
    let Err(error) = spawner.spawn_task(spec).await else { panic!("{spec:?} was started") };
    assert_eq!(error.kind(), kind, "{error}");
    if let Some(cleanup) = error.cleanup() {
        clean(cleanup);
    }
    error
}
