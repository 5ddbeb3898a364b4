//! What engine there is, without starting anything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use spawner_core::Result;
use tokio::time::Instant;

use crate::config::PodmanConfig;
use crate::engine::Engine;

/// How long an engine may take to say which one it is.
const PATIENCE: Duration = Duration::from_secs(3);

/// The engine that a configuration leads to on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One answers.
    Engine {
        /// `podman` or `docker`, with the version.
        name: String,
        /// Where.
        address: String,
        /// Whether it is an ordinary user's.
        rootless: bool,
    },
    /// None answers, and this program would be started as a private one.
    Private(PathBuf),
    /// None answers, and none can be started: there is no `podman` program.
    Nothing,
}

/// Looks for the engine that `config` leads to; starts none. Fails where one is named that does not answer, within
/// 3 s. Cancel-safe.
pub async fn probe(config: &PodmanConfig) -> Result<Found> {
    Ok(match Engine::present(config, Instant::now() + PATIENCE).await? {
        Some(engine) => Found::Engine {
            name: format!("{} {}", engine.brand().name(), engine.version()),
            address: engine.endpoint().address.clone(),
            rootless: engine.is_rootless(),
        },
        None => program(&config.program).map_or(Found::Nothing, Found::Private),
    })
}

/// Where the program is: named by a path, or found in `PATH`.
fn program(name: &Path) -> Option<PathBuf> {
    let is_file = |path: &PathBuf| path.is_file();
    if name.components().count() > 1 {
        return Some(name.to_owned()).filter(is_file);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(is_file)
}
