//! Where the configuration is on Windows.

use std::path::PathBuf;

use super::variable;

/// As people write it.
pub const SHOWN: &str = r"%APPDATA%\spawner\config.toml";

/// The file that is read where no other is named: `%APPDATA%\spawner\config.toml`; on Unix
/// `$XDG_CONFIG_HOME/spawner/config.toml`, else `~/.config/spawner/config.toml`.
pub fn usual_place() -> Option<PathBuf> {
    let base = PathBuf::from(variable("APPDATA")?);
    base.is_absolute().then(|| base.join("spawner").join("config.toml"))
}
