//! A task in a container: spawn, wait and verified destroy of `/bin/true`, beside `podman run --rm` of the same, on the
//! same storage and network mode.
//!
//! Needs an engine: `eval "$(scripts/podman.sh up DIR)"` first, `scripts/podman.sh down DIR` afterwards.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use spawner::{Input, Spawner as _, TaskSpec, Teardown};
use spawner_podman::{PodmanConfig, PodmanSpawner};

const IMAGE: &str = "localhost/busybox:latest";

/// How many turns the medians are of; each runs both, so that whatever else the machine does hits both alike.
const TURNS: usize = 40;

fn main() {
    let turns = std::env::var("TURNS").ok().and_then(|turns| turns.parse().ok()).unwrap_or(TURNS);
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
        let ours = async || {
            let task = spawner.spawn_task(&spec).await.expect("a started task");
            let started = Instant::now();
            assert!(spawner.wait_task(&task).await.expect("an exit").success());
            let ended = Instant::now();
            let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
            assert!(outcome.is_clean(), "{outcome}");
            (started, ended)
        };
        let (mut totals, mut peers) = (Vec::new(), Vec::new());
        let mut parts = [Duration::ZERO; 3];
        // The first of each finds cold caches.
        for turn in 0..=turns {
            let began = Instant::now();
            let (started, ended) = runtime.block_on(ours());
            let done = Instant::now();
            podman(network);
            let peer = done.elapsed();
            if turn == 0 {
                continue;
            }
            totals.push(done - began);
            peers.push(peer);
            for (part, took) in parts.iter_mut().zip([started - began, ended - started, done - ended]) {
                *part += took;
            }
        }
        totals.sort();
        peers.sort();
        let (own, peer) = (totals[turns / 2], peers[turns / 2]);
        let [start, wait, destroy] = parts.map(|part| part / u32::try_from(turns).expect("a small number"));
        println!(
            "network {network}: ratio spawn, wait and destroy ÷ podman run --rm: {:.2} ({own:.1?} ÷ {peer:.1?}, medians of \
             {turns} turns; ours in the mean: start {start:.1?}, wait {wait:.1?}, destroy {destroy:.1?})",
            own.as_secs_f64() / peer.as_secs_f64()
        );
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
