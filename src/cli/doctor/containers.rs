//! The engine that a backend of kind `podman` would use.

use spawner::podman::{Found, PodmanConfig, probe};

use super::finding::Finding;
use crate::cli::failure::Failure;
use crate::cli::runtime;

const NAME: &str = "containers";

/// Which one answers, or would be started. Starts none.
pub(super) fn engine() -> Result<Finding, Failure> {
    let found = runtime::current_thread()?.block_on(probe(&PodmanConfig::default()));
    Ok(match found {
        Ok(Found::Engine { name, address, rootless }) => {
            let whose = if rootless { ", rootless" } else { "" };
            Finding::ok(NAME, format!("{name}{whose}, at {address}, for backends of kind `podman`"))
        }
        Ok(Found::Private(program)) => Finding::ok(
            NAME,
            format!("no engine answers; a private one is started: {} system service", program.display()),
        ),
        Ok(Found::Nothing) => Finding::missing(
            NAME,
            "there is no podman",
            "apt-get install podman; or name an engine's socket in CONTAINER_HOST",
        ),
        Err(error) => Finding::missing(
            NAME,
            error.to_string(),
            "see whether the engine runs; without CONTAINER_HOST a private one is started",
        ),
    })
}
