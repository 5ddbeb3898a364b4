//! An engine of our own.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use spawner_core::ErrorKind;

use super::*;
use crate::engine::{end_private, private};

/// Where tests with an engine are wanted: one of our own, with the containers of that one.
async fn ours() -> Option<Engine> {
    host()?;
    Some(Engine::own(private::settings(), &PodmanConfig::default(), soon()).await.unwrap())
}

fn folder(engine: &Engine) -> PathBuf {
    engine.endpoint().socket().unwrap().parent().unwrap().to_owned()
}

fn service(folder: &Path) -> ProcessIdentity {
    let text = std::fs::read(folder.join("process")).unwrap();
    serde_json::from_slice::<Option<ProcessIdentity>>(&text).unwrap().unwrap()
}

async fn gone(process: &ProcessIdentity) {
    let by = soon();
    while process.is_alive() {
        assert!(Instant::now() < by, "process {process} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn it_is_started_again_when_it_died_and_ended_at_the_end() {
    let Some(engine) = ours().await else { return };
    let folder = folder(&engine);
    assert!(engine.endpoint().private && has_image(&engine, IMAGE).await);
    let first = service(&folder);
    kill_process(Pid::from_raw(first.pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    gone(&first).await;
    assert!(has_image(&engine, IMAGE).await);
    let second = service(&folder);
    assert_ne!(first, second);
    engine.end().await.unwrap();
    assert!(!second.is_alive() && !folder.exists());
}

#[tokio::test]
async fn it_ends_with_the_last_who_holds_it() {
    let Some(engine) = ours().await else { return };
    let folder = folder(&engine);
    let (process, other) = (service(&folder), engine.clone());
    drop(engine);
    assert!(has_image(&other, IMAGE).await);
    drop(other);
    gone(&process).await;
    assert!(!folder.exists());
}

#[tokio::test]
async fn that_of_a_dead_harness_is_ended_by_its_folder_even_when_it_is_stopped() {
    let Some(engine) = ours().await else { return };
    let folder = folder(&engine);
    let process = service(&folder);
    kill_process(Pid::from_raw(process.pid.cast_signed()).unwrap(), Signal::STOP).unwrap();
    // As a harness that is killed leaves it.
    std::mem::forget(engine);
    let ended = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || end_private(&folder)
    });
    ended.await.unwrap().unwrap();
    gone(&process).await;
    assert!(!folder.exists());
    // There is nothing to do any more.
    end_private(&folder).unwrap();
}

#[tokio::test]
async fn a_record_of_one_that_is_gone_leads_to_another_with_the_same_containers() {
    let Some(engine) = ours().await else { return };
    let name = Name::new();
    engine.create(&name.0, body(&["true"]), soon()).await.unwrap();
    let endpoint = engine.endpoint().clone();
    let written: Endpoint = serde_json::from_str(&serde_json::to_string(&endpoint).unwrap()).unwrap();
    engine.end().await.unwrap();
    let other = Engine::at(&written, &PodmanConfig::default(), soon()).await.unwrap();
    assert!(other.inspect(&name.0, soon()).await.unwrap().is_some());
    assert_eq!(other.endpoint().settings, endpoint.settings);
    other.end().await.unwrap();
}

#[tokio::test]
async fn that_of_another_user_is_not_asked_of_ours() {
    let mut settings = private::settings();
    settings.insert("uid".into(), "4242".into());
    let error = Engine::own(settings, &PodmanConfig::default(), soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn without_podman_it_is_said_what_to_install_or_to_name() {
    let config = PodmanConfig { program: "/no/such/podman".into(), ..PodmanConfig::default() };
    let error = Engine::own(private::settings(), &config, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let text = error.to_string();
    assert!(text.contains("apt-get install podman") && text.contains("CONTAINER_HOST"), "{text}");
    // One that ends at once says its last words.
    let config = PodmanConfig { program: "/bin/false".into(), ..PodmanConfig::default() };
    let error = Engine::own(private::settings(), &config, soon()).await.unwrap_err();
    assert!(error.to_string().contains("exit status: 1"), "{error}");
}
