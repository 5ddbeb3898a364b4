//! The engine: podman or Docker, asked over its API, each call with a deadline.

mod address;
mod connect;
mod containers;
mod fault;
mod frames;
mod images;
mod make;
mod private;
mod seen;
mod streams;
#[cfg(test)]
mod tests;
mod volumes;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bollard::Docker;
use serde::{Deserialize, Serialize};
use spawner_core::shell::typed;

pub(crate) use fault::{is_image_missing, status};
pub use images::PullProgress;
pub(crate) use private::{FOLDER as PRIVATE_FOLDER, end_left as end_private};
pub(crate) use seen::{Listed, Removal, Seen, Status};
pub(crate) use streams::{Attached, Output, Stream};

/// A connection to one engine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    docker: Docker,
    wire: wire::Wire,
    brand: Brand,
    version: String,
    endpoint: Endpoint,
    rootless: bool,
}

/// Which engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Brand {
    Podman,
    Docker,
}

/// Where an engine is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// `unix:///path` or `tcp://host:port`.
    pub(crate) address: String,
    /// Whether it is a `podman system service` of our own.
    pub(crate) private: bool,
    /// What decides where a private one keeps its containers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) settings: BTreeMap<String, String>,
}

impl Brand {
    /// As people write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "Docker",
        }
    }
}

impl Endpoint {
    /// The path of its socket, where it is one of this host.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.address.strip_prefix("unix://").map(Path::new)
    }

    /// What a person types to have an engine of this brand do this.
    pub(crate) fn by_hand(&self, brand: Brand, words: &str) -> String {
        let address = typed(&self.address);
        // Root's socket is for root, unless this user was let in.
        let sudo = match self.socket().map(|path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK)) {
            Some(Err(rustix::io::Errno::ACCESS)) => "sudo ",
            _ => "",
        };
        match brand {
            // A private engine is gone by then; its containers are the user's own, which podman finds by itself.
            Brand::Podman if self.private => format!("podman {words}"),
            Brand::Podman => format!("{sudo}podman --url {address} {words}"),
            Brand::Docker => format!("{sudo}docker --host {address} {words}"),
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Engine").field(self.endpoint()).finish()
    }
}

impl Engine {
    /// Which engine it is.
    pub(crate) fn brand(&self) -> Brand {
        self.0.brand
    }

    /// The engine's version.
    pub(crate) fn version(&self) -> &str {
        &self.0.version
    }

    /// Where it is reached.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Whether it runs without root's rights.
    pub(crate) fn is_rootless(&self) -> bool {
        self.0.rootless
    }

    /// Whether it is reached through a socket of this host.
    pub(crate) fn is_here(&self) -> bool {
        self.0.endpoint.socket().is_some()
    }

    /// What a person types to have the engine do this.
    pub(crate) fn by_hand(&self, words: &str) -> String {
        self.0.endpoint.by_hand(self.0.brand, words)
    }

    /// Ends the engine, where it is a private one of this connection.
    pub(crate) async fn end(&self) -> spawner_core::Result<()> {
        match &self.0.wire.private {
            Some(private) => private.end().await,
            None => Ok(()),
        }
    }

    /// As it is called in messages.
    fn who(&self) -> &'static str {
        self.0.brand.name()
    }
}
