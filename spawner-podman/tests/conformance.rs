//! Proves the podman backend by the suite that every backend has to pass.

use std::process::ExitCode;

use spawner_core::{Error, ErrorKind, Pull, Result, Spawner};
use spawner_podman::{PodmanConfig, PodmanSpawner};

fn make(name: &str) -> Result<Box<dyn Spawner>> {
    if std::env::var_os("CONTAINER_HOST").is_none() {
        let error = Error::new(ErrorKind::Unavailable, "find", "the engine for the tests");
        return Err(error.hint("eval \"$(scripts/podman.sh up DIR)\""));
    }
    let config = PodmanConfig {
        image: Some("localhost/busybox:latest".to_owned()),
        pull: Pull::Never,
        network: Some("none".to_owned()),
        ..PodmanConfig::default()
    };
    Ok(Box::new(PodmanSpawner::named(name, config)?))
}

fn main() -> ExitCode {
    spawner_conformance::main(&["podman"], make)
}
