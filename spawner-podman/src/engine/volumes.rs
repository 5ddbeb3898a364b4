//! What hangs on a container: volumes and exec sessions.

use hyper::Method;
use spawner_core::Result;
use tokio::time::Instant;

use super::containers::absent;
use super::wire::escaped;
use super::{Engine, Removal};

impl Engine {
    /// Whether there is a volume of this name.
    pub(crate) async fn volume(&self, name: &str, by: Instant) -> Result<bool> {
        let path = format!("/volumes/{}", escaped(name));
        Ok(absent(self.ask(Method::GET, &path, "inspect volume", name, by).await)?.is_some())
    }

    /// Removes a volume that no container has any more.
    pub(crate) async fn remove_volume(&self, name: &str, by: Instant) -> Result<Removal> {
        let path = format!("/volumes/{}", escaped(name));
        let removed = absent(self.ask(Method::DELETE, &path, "remove volume", name, by).await)?;
        Ok(removed.map_or(Removal::AlreadyGone, |_| Removal::Removed))
    }

    /// Whether there is an exec session of this id.
    pub(crate) async fn exec(&self, id: &str, by: Instant) -> Result<bool> {
        let path = format!("/exec/{id}/json");
        Ok(absent(self.ask(Method::GET, &path, "inspect exec session", id, by).await)?.is_some())
    }
}
