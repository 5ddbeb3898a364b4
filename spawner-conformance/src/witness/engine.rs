//! The eyes of a witness that are not on this machine's processes: the container engine's own program.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The label by which a scene's containers are found; its value is the witness's token.
pub(crate) const LABEL: &str = "spawner-conformance";

/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// `podman` or `docker`, and the arguments that say which engine.
#[derive(Debug, Clone)]
pub(crate) struct Engine(Vec<String>);

impl Engine {
    /// The program for the engine at `address`; for that of `CONTAINER_HOST`, else this user's podman where
    /// none is given.
    pub(crate) fn at(address: Option<&str>) -> Self {
        let given = address.map(str::to_owned).or_else(|| std::env::var("CONTAINER_HOST").ok());
        let Some(mut address) = given.filter(|address| !address.is_empty()) else {
            return Self(vec!["podman".into()]);
        };
        if address.starts_with('/') {
            address.insert_str(0, "unix://");
        }
        let podman = Self(vec!["podman".into(), "--url".into(), address.clone()]);
        if podman.ask(&["version"]).is_ok() {
            return podman;
        }
        Self(vec!["docker".into(), "--host".into(), address])
    }

    /// Runs the program, and gives what it says; its complaint where it fails.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<String, String> {
        let told = format!("{} {}", self.0.join(" "), args.join(" "));
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).args(args).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("cannot run `{told}`: {error}"))?;
        let give_up = Instant::now() + PATIENCE;
        loop {
            match child.try_wait() {
                Ok(None) if Instant::now() < give_up => std::thread::sleep(Duration::from_millis(2)),
                Ok(Some(_)) => break,
                other => {
                    let killed = child.kill().and_then(|()| child.wait());
                    return Err(format!("`{told}` did not end ({other:?}), and was killed: {killed:?}"));
                }
            }
        }
        let output = child.wait_with_output().map_err(|error| format!("`{told}`: {error}"))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{told}`: {}", complaint.trim().lines().next().unwrap_or_default()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The full ids of the containers of a scene, the stopped ones too.
    pub(crate) fn containers(&self, token: &str) -> Result<Vec<String>, String> {
        let filter = format!("label={LABEL}={token}");
        let told = self.ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter])?;
        Ok(told.lines().map(str::to_owned).collect())
    }

    /// The one container of a scene.
    pub(crate) fn container(&self, token: &str) -> Result<String, String> {
        match self.containers(token)?.as_slice() {
            [one] => Ok(one.clone()),
            others => Err(format!("one container should be there, and there are {others:?}")),
        }
    }

    /// Whether there is such a container, in whatever state.
    pub(crate) fn has_container(&self, id: &str) -> bool {
        self.ask(&["container", "inspect", id]).is_ok()
    }

    /// Whether there is such a volume.
    pub(crate) fn has_volume(&self, name: &str) -> bool {
        self.ask(&["volume", "inspect", name]).is_ok()
    }

    /// Removes the containers of a scene by force, so that a failed case leaves none. Gives how many there were.
    pub(crate) fn remove_all(&self, token: &str) -> Result<usize, String> {
        let found = self.containers(token)?;
        for id in &found {
            // One that is paused is not removed by every version.
            if let Err(why) = self.ask(&["rm", "--force", "--volumes", id])
                && self.has_container(id)
            {
                self.ask(&["unpause", id]).map_err(|again| format!("{why}; {again}"))?;
                self.ask(&["rm", "--force", "--volumes", id])?;
            }
        }
        Ok(found.len())
    }
}
