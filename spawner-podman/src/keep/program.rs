//! The engine's own program, for when the engine does not answer.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::Charge;

/// How long it may take. It waits for locks that a stopped engine may hold.
const PATIENCE: Duration = Duration::from_millis(3500);

/// Removes the container by the program, which works on the engine's storage without the engine. Says whether it
/// was there, and is not there any more.
pub(super) async fn remove(program: &Path, charge: &Charge) -> bool {
    let label = format!("label={}={}", crate::remains::TASK, charge.task);
    let listing = ["ps", "--all", "--quiet", "--no-trunc", "--filter", label.as_str()];
    let id = match charge.id() {
        Some(id) => id.to_owned(),
        None => match run(program, &listing).await {
            Some(listed) => String::from_utf8_lossy(&listed.stdout).trim().to_owned(),
            None => return false,
        },
    };
    if id.is_empty() {
        return false;
    }
    let removal = ["rm", "--force", "--volumes", "--time", "0", id.as_str()];
    let Some(removed) = run(program, &removal).await else { return false };
    // Later versions say nothing of a container that is not there, and succeed.
    if !removed.status.success() || removed.stdout.is_empty() {
        return false;
    }
    let there = run(program, &["container", "exists", id.as_str()]).await;
    there.is_some_and(|there| there.status.code() == Some(1))
}

/// `None` where it cannot be run, or took too long and was killed.
async fn run(program: &Path, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments);
    // With these it would ask the engine that does not answer.
    command.env_remove("CONTAINER_HOST").env_remove("CONTAINER_CONNECTION");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let output = command.output();
    timeout(PATIENCE, output).await.ok()?.ok()
}
