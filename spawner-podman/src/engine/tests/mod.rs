//! On a real engine: the one of CONTAINER_HOST, which scripts/podman.sh sets up.

mod docker;
mod faults;
mod finding;
mod lives;
mod many;
mod ours;
mod pull;

#[path = "../../../tests/common/proxy.rs"]
mod proxy;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use spawner_core::ProcessIdentity;
use tokio::time::Instant;

use super::containers::absent;
use super::{Endpoint, Engine};
use crate::PodmanConfig;

const IMAGE: &str = "localhost/busybox:latest";

/// A deadline that nothing of a healthy engine needs.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// The address of the engine; `None` where somebody wants no such tests.
fn host() -> Option<String> {
    if std::env::var("SPAWNER_SKIP").is_ok_and(|skip| skip.split(',').any(|name| name == "podman")) {
        println!("skipped: SPAWNER_SKIP names podman");
        return None;
    }
    let host = std::env::var("CONTAINER_HOST").ok();
    Some(host.expect(
        "CONTAINER_HOST is not set: eval \"$(scripts/podman.sh up DIR)\", or set SPAWNER_SKIP=podman",
    ))
}

async fn at(address: &str) -> Engine {
    Engine::connect(&named(address), soon()).await.unwrap()
}

fn named(address: &str) -> PodmanConfig {
    PodmanConfig { socket: Some(address.to_owned()), ..PodmanConfig::default() }
}

/// A container that runs this, without a network.
fn body(argv: &[&str]) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(IMAGE.into()),
        cmd: Some(argv.iter().map(|&argument| argument.to_owned()).collect()),
        host_config: Some(HostConfig { network_mode: Some("none".into()), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    }
}

/// Has a volume gone, whose container is. podman leaves some when it has much to do, and says that all went well.
async fn without_volume(engine: &Engine, name: &str) {
    if engine.volume(name, soon()).await.unwrap() {
        engine.remove_volume(name, soon()).await.unwrap();
    }
    assert!(!engine.volume(name, soon()).await.unwrap());
}

/// Whether the engine has this image.
async fn has_image(engine: &Engine, name: &str) -> bool {
    let path = format!("/images/{name}/json");
    let answer = engine.ask(hyper::Method::GET, &path, "inspect image", name, soon()).await;
    absent(answer).unwrap().is_some()
}

/// A name for one container, which is gone when this is dropped, whatever became of the test.
struct Name(String);

impl Name {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let own = ProcessIdentity::own();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("engine-test-{}-{}-{count}", own.pid, own.start_time))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut podman = Command::new("podman");
        podman.args(["rm", "--force", "--ignore", "--time=0", "--volumes", &self.0]);
        let output = podman.output().unwrap();
        assert!(output.status.success(), "{podman:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
