//! Where the configuration is on Unix.

use std::path::PathBuf;

use super::variable;

/// As people write it.
pub const SHOWN: &str = "~/.config/spawner/config.toml";

/// The file that is read where no other is named: `$XDG_CONFIG_HOME/spawner/config.toml`, else
/// `~/.config/spawner/config.toml`; on Windows `%APPDATA%\spawner\config.toml`.
pub fn usual_place() -> Option<PathBuf> {
    let base = match variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|base| base.is_absolute()) {
        Some(base) => base,
        None => PathBuf::from(variable("HOME")?).join(".config"),
    };
    Some(base.join("spawner/config.toml"))
}
