//! A task in a container: spawn, wait and verified destroy of `/bin/true`, beside `podman run --rm` of the same, on the
//! same storage and network mode.
//!
//! Needs an engine: `eval "$(scripts/podman.sh up DIR)"` first, `scripts/podman.sh down DIR` afterwards.

#[path = "common/elsewhere.rs"]
mod elsewhere;

use std::process::{Command, Stdio};

use elsewhere::Turns;
use spawner::{Input, TaskSpec};
use spawner_podman::{PodmanConfig, PodmanSpawner};

const IMAGE: &str = "localhost/busybox:latest";

/// How many turns the medians are of.
const TURNS: usize = 40;

fn main() {
    let Ok(socket) = std::env::var("CONTAINER_HOST") else {
        println!("skipped: no engine is named; see the head of benches/containers.rs");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let state = tempfile::tempdir().expect("a folder");
    for network in ["none", "bridge"] {
        let config = PodmanConfig {
            socket: Some(socket.clone()),
            image: Some(IMAGE.into()),
            network: Some(network.into()),
            state_dir: Some(state.path().to_owned()),
            ..PodmanConfig::default()
        };
        let spawner = PodmanSpawner::new(config).expect("a spawner");
        // Both have their outputs carried, and no input.
        let spec = TaskSpec::new(["/bin/true"]).stdin(Input::Null);
        let turns = Turns::of(TURNS, &runtime, (&spawner, &spec), || podman(network));
        println!("network {network}: ratio spawn, wait and destroy ÷ podman run --rm: {turns}");
        runtime.block_on(spawner.shutdown()).expect("a clean end");
    }
}

fn podman(network: &str) {
    let network = format!("--network={network}");
    let status = Command::new("podman")
        .args(["run", "--rm", &network, IMAGE, "/bin/true"])
        // Else it would go over the API.
        .env_remove("CONTAINER_HOST")
        .stdin(Stdio::null())
        .status()
        .expect("podman");
    assert!(status.success());
}
