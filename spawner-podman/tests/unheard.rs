//! Containers that an engine was asked to make, and nobody heard whether it did.

#[path = "common/harness.rs"]
mod harness;
#[path = "common/proxy.rs"]
mod proxy;
#[path = "common/scratch.rs"]
mod scratch;

use harness::{Harness, config, records, spawner, until};
use proxy::{Fault, Proxy};
use scratch::Scratch;
use spawner_core::{ErrorKind, Spawner as _, TaskSpec};
use spawner_podman::PodmanConfig;

#[test]
#[ignore = "a process of the other tests"]
fn a_harness() {
    harness::be();
}

/// A harness whose request to make a container comes to this.
fn asking(scratch: &Scratch, fault: Fault) -> (Proxy, Harness) {
    let proxy = Proxy::before(&scratch.address(), &scratch.folder().join("proxy.sock"));
    proxy.spoil_next("POST", "/containers/create", fault);
    let config = PodmanConfig { socket: Some(proxy.address()), ..config(scratch) };
    let harness = Harness::start_with(scratch, &[TaskSpec::new(["sleep", "300"])], &config);
    let asked = || proxy.requests().iter().any(|line| line.contains("/containers/create"));
    until("it is not asked for", asked);
    (proxy, harness)
}

/// The name is all that is known, and somebody else's container has it.
#[tokio::test]
async fn a_signal_does_not_reach_a_stranger_who_has_the_name() {
    let Some(scratch) = Scratch::up() else { return };
    let (_proxy, harness) = asking(&scratch, Fault::Swallow);
    let record = records(&scratch).remove(0);
    let name = format!("spawner-{}", record.id);
    let image = "localhost/busybox:latest";
    scratch.podman(&["run", "--detach", "--name", &name, "--network=none", image, "sleep", "300"]);
    let other = spawner(&scratch);
    let task = other.recover_task(&record).await.unwrap();
    let signalled = other.signal_task(&task, 9).await;
    let running = scratch.podman(&["ps", "--format", "{{.Names}}"]);
    scratch.podman(&["rm", "--force", "--time=0", &name]);
    harness.dies();
    assert_eq!(signalled.unwrap_err().kind(), ErrorKind::UnknownTask);
    assert_eq!(running.trim(), name, "the stranger was killed");
}
