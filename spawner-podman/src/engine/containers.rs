//! Containers: made, started, watched, signalled, removed.

use std::path::PathBuf;
use std::time::Duration;

use bollard::models::{ChangeType, ContainerCreateBody, FilesystemChange};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder,
    StartContainerOptions,
};
use bytes::Bytes;
use hyper::Method;
use serde::de::DeserializeOwned;
use spawner_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep};

use super::fault::{is_absent, status, timed, told};
use super::wire::escaped;
use super::{Brand, Engine, Listed, Removal, Seen, seen};

/// Between two tries at what another request is in the way of.
const PAUSE: Duration = Duration::from_millis(10);
/// How often it is asked how a container ended that does not run.
const TRIES: u32 = 500;
/// For looking at a container that ended, after a wait without end.
const LOOK: Duration = Duration::from_secs(10);

impl Engine {
    /// Makes a container and returns its full id. A name that is taken is an error of kind [`ErrorKind::Taken`], an
    /// image that is not there one for which [`is_image_missing`](super::is_image_missing) holds.
    pub(crate) async fn create(&self, name: &str, body: ContainerCreateBody, by: Instant) -> Result<String> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let call = self.0.docker.create_container(Some(options), body);
        Ok(timed(self.who(), by, "create container", name, call).await?.id)
    }

    /// Makes the container's first process without letting it run the program yet, so that it can be got hold of.
    /// Returns false where the engine has no such thing (Docker).
    pub(crate) async fn init(&self, id: &str, by: Instant) -> Result<bool> {
        if self.brand() == Brand::Docker {
            return Ok(false);
        }
        self.ask(Method::POST, &self.libpod(&format!("/containers/{id}/init")), "prepare container", id, by)
            .await?;
        Ok(true)
    }

    /// Starts it.
    pub(crate) async fn start(&self, id: &str, by: Instant) -> Result<()> {
        let call = self.0.docker.start_container(id, None::<StartContainerOptions>);
        timed(self.who(), by, "start container", id, call).await
    }

    /// Looks at it; `None` where the engine says that there is none.
    pub(crate) async fn inspect(&self, id: &str, by: Instant) -> Result<Option<Seen>> {
        // podman's own description has more in it, and the client knows not all of its words for states.
        let path = self.libpod(&format!("/containers/{id}/json"));
        let answer = absent(self.ask(Method::GET, &path, "inspect container", id, by).await)?;
        let told = answer
            .map(|answer| self.understood::<seen::Told>("inspect container", id, &answer))
            .transpose()?;
        Ok(told.map(Seen::of))
    }

    /// What its storage has in it that the image has not.
    pub(crate) async fn added(&self, id: &str, by: Instant) -> Result<Vec<PathBuf>> {
        let call = self.0.docker.container_changes(id);
        let changes = timed(self.who(), by, "list the changes of container", id, call).await?;
        let added = |change: FilesystemChange| (change.kind == ChangeType::_1).then(|| change.path.into());
        Ok(changes.unwrap_or_default().into_iter().filter_map(added).collect())
    }

    /// Every container, in whatever state, with this label (`key` or `key=value`).
    pub(crate) async fn labelled(&self, label: &str, by: Instant) -> Result<Vec<Listed>> {
        const OPERATION: &str = "list the containers with label";
        let filters = serde_json::json!({ "label": [label] }).to_string();
        let path = format!("/containers/json?all=true&filters={}", escaped(&filters));
        loop {
            match self.ask(Method::GET, &path, OPERATION, label, by).await {
                Ok(answer) => {
                    let listed = self.understood::<Vec<seen::ToldInList>>(OPERATION, label, &answer)?;
                    return Ok(listed.into_iter().map(Listed::of).collect());
                }
                // One of them went while podman described it.
                Err(error) if is_absent(&error) && Instant::now() + PAUSE < by => sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until it does not run, by the engine's own means, which may take a moment longer; returns the engine's
    /// exit code. Where it was removed behind our back that is an error of kind [`ErrorKind::UnknownTask`].
    pub(crate) async fn ended(&self, id: &str) -> Result<i64> {
        const OPERATION: &str = "wait for container";
        let wait = match self.brand() {
            Brand::Podman => self.libpod(&format!(
                "/containers/{id}/wait?condition=stopped&condition=exited&condition=removing&interval=20ms"
            )),
            Brand::Docker => format!("/containers/{id}/wait?condition=not-running"),
        };
        let unknown = |why: &str| Error::new(ErrorKind::UnknownTask, OPERATION, id).because(why.to_owned());
        for _ in 0..TRIES {
            let wait = self.0.wire.ask(Method::POST, &wait).await;
            let refusal = wait.map_err(|error| told(self.who(), OPERATION, id, error)).err();
            if let Some(error) = refusal.filter(|error| status(error).is_none()) {
                return Err(error);
            }
            // A wait that ends because the container was removed says 0 or 137, or one of several errors.
            let seen = self.inspect(id, Instant::now() + LOOK).await?;
            let seen = seen.ok_or_else(|| unknown("it was removed behind our back"))?;
            if let Some(code) = seen.exit_code {
                return Ok(code);
            }
            sleep(PAUSE).await;
        }
        Err(unknown("the engine does not say how it ended"))
    }

    /// Sends a signal (a name or a number) to its first process.
    pub(crate) async fn kill(&self, id: &str, signal: &str, by: Instant) -> Result<()> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        timed(self.who(), by, "signal container", id, self.0.docker.kill_container(id, Some(options))).await
    }

    /// Freezes it.
    #[cfg(test)]
    pub(crate) async fn pause(&self, id: &str, by: Instant) -> Result<()> {
        timed(self.who(), by, "pause container", id, self.0.docker.pause_container(id)).await
    }

    /// Thaws it.
    pub(crate) async fn unpause(&self, id: &str, by: Instant) -> Result<()> {
        timed(self.who(), by, "unpause container", id, self.0.docker.unpause_container(id)).await
    }

    /// Sets the size of its terminal.
    pub(crate) async fn resize(&self, id: &str, rows: u16, columns: u16, by: Instant) -> Result<()> {
        let options = ResizeContainerTTYOptionsBuilder::default().h(rows.into()).w(columns.into()).build();
        let call = self.0.docker.resize_container_tty(id, options);
        timed(self.who(), by, "resize the terminal of container", id, call).await
    }

    /// Removes it by force, with its anonymous volumes; of those podman leaves some where it has much to do, so that
    /// they are to be looked for.
    pub(crate) async fn remove(&self, id: &str, by: Instant) -> Result<Removal> {
        let path = match self.brand() {
            // Without a grace of ten seconds, which podman gives unless its own API is told another: who is to have
            // one had it.
            Brand::Podman => self.libpod(&format!("/containers/{id}?force=true&v=true&timeout=0")),
            Brand::Docker => format!("/containers/{id}?force=true&v=true"),
        };
        loop {
            match absent(self.ask(Method::DELETE, &path, "remove container", id, by).await) {
                Ok(removed) => return Ok(removed.map_or(Removal::AlreadyGone, |_| Removal::Removed)),
                Err(error) if in_progress(&error) && Instant::now() + PAUSE < by => sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// A request without a body, and its whole answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        operation: &'static str,
        subject: &str,
        by: Instant,
    ) -> Result<Bytes> {
        timed(self.who(), by, operation, subject, self.0.wire.ask(method, path)).await
    }

    /// What an answer says.
    pub(super) fn understood<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        subject: &str,
        answer: &[u8],
    ) -> Result<T> {
        serde_json::from_slice(answer).map_err(|error| told(self.who(), operation, subject, error.into()))
    }

    /// The path of podman's own interface, where it is podman.
    fn libpod(&self, path: &str) -> String {
        match self.brand() {
            Brand::Podman => format!("/v4.0.0/libpod{path}"),
            Brand::Docker => path.to_owned(),
        }
    }
}

/// An answer that says that there is none is one.
pub(super) fn absent<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether somebody else removes it just now.
fn in_progress(error: &Error) -> bool {
    error.to_string().contains("is already in progress")
}
