//! Running the engine's own program.

use std::process::{Command, Stdio};

/// Runs `podman` with these arguments, against the engine that the tests have; gives what it says, without the
/// blanks around it.
pub(crate) fn podman(args: &[&str]) -> Result<String, String> {
    told(args).map(|all| String::from_utf8_lossy(&all).trim().to_owned())
}

/// The same, byte for byte.
pub(crate) fn told(args: &[&str]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("podman");
    if let Ok(address) = std::env::var("CONTAINER_HOST") {
        command.args(["--url", &address]);
    }
    let output = command.args(args).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_lowercase())
}
