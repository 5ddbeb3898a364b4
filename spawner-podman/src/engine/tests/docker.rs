//! The same of Docker Engine, where there is one: DOCKER_HOST, which `scripts/podman.sh up --docker DIR` gives.

use bollard::models::{Mount, MountTypeEnum};
use futures_util::{StreamExt as _, future};
use spawner_core::ErrorKind;
use tokio::time::timeout;

use super::*;
use crate::engine::{Brand, Removal, Status, is_image_missing};

async fn docker() -> Option<Engine> {
    let Ok(host) = std::env::var("DOCKER_HOST") else {
        println!("skipped: DOCKER_HOST is not set: eval \"$(scripts/podman.sh up --docker DIR)\"");
        return None;
    };
    Some(at(&host).await)
}

#[tokio::test]
async fn docker_makes_starts_and_removes() {
    let Some(engine) = docker().await else { return };
    assert_eq!(engine.brand(), Brand::Docker);
    assert!(engine.by_hand("rm abc").contains("docker --host unix://"));
    let name = format!("engine-test-{}", std::process::id());
    let mut body = body(&["sh", "-c", "echo out; exit 7"]);
    body.labels = Some([("test.name".to_owned(), name.clone())].into());
    let mount = Mount { typ: Some(MountTypeEnum::VOLUME), target: Some("/data".into()), ..Mount::default() };
    body.host_config.as_mut().unwrap().mounts = Some(vec![mount]);
    let id = engine.create(&name, body.clone(), soon()).await.unwrap();
    assert_eq!(engine.create(&name, body, soon()).await.unwrap_err().kind(), ErrorKind::Taken);
    let mut attached = engine.attach(&id, false, false, soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    let (_, piece) =
        timeout(Duration::from_secs(20), attached.output.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(&piece[..], b"out\n");
    assert_eq!(engine.ended(&id).await.unwrap(), 7);
    let seen = engine.inspect(&id, soon()).await.unwrap().unwrap();
    assert_eq!((seen.status, seen.exit_code, &seen.name), (Status::Exited, Some(7), &name));
    assert_eq!(engine.labelled(&format!("test.name={name}"), soon()).await.unwrap()[0].id, id);
    assert!(seen.volumes[0].anonymous && engine.volume(&seen.volumes[0].name, soon()).await.unwrap());
    assert_eq!(engine.remove(&id, soon()).await.unwrap(), Removal::Removed);
    assert_eq!(engine.remove(&id, soon()).await.unwrap(), Removal::AlreadyGone);
    assert!(engine.inspect(&id, soon()).await.unwrap().is_none());
    assert!(!engine.volume(&seen.volumes[0].name, soon()).await.unwrap());
}

#[tokio::test]
async fn docker_s_refusals_are_understood() {
    let Some(engine) = docker().await else { return };
    for (argv, kind) in [
        (["no-such-program"], ErrorKind::ProgramNotFound),
        (["/no/such/program"], ErrorKind::ProgramNotFound),
        (["/etc/passwd"], ErrorKind::NotExecutable),
    ] {
        let name = format!("engine-test-{}-bad", std::process::id());
        let id = engine.create(&name, body(&argv), soon()).await.unwrap();
        let error = engine.start(&id, soon()).await.unwrap_err();
        engine.remove(&id, soon()).await.unwrap();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let mut body = body(&["true"]);
    body.image = Some("localhost/no-such-image:latest".into());
    let error = engine.create("engine-test-none", body, soon()).await.unwrap_err();
    assert!(is_image_missing(&error), "{error}");
    assert!(!engine.exec("ff00", soon()).await.unwrap());
}

#[tokio::test]
async fn removed_from_docker_behind_our_back_is_no_exit() {
    let Some(engine) = docker().await else { return };
    let name = format!("engine-test-{}-gone", std::process::id());
    let id = engine.create(&name, body(&["sleep", "1000"]), soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    let removal = async {
        let (first, second) = future::join(engine.remove(&id, soon()), engine.remove(&id, soon())).await;
        assert!([first.unwrap(), second.unwrap()].contains(&Removal::Removed));
    };
    let (ended, ()) = future::join(timeout(Duration::from_secs(20), engine.ended(&id)), removal).await;
    let error = ended.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTask, "{error}");
}
