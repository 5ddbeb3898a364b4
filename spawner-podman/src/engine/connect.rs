//! Finds an engine, and finds out which one it is.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use bollard::errors::Error as Told;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper::header::SERVER;
use hyper::{HeaderMap, Method};
use spawner_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::address::{Way, Wish, wish};
use super::fault::{status, timed};
use super::private::{self, Private};
use super::wire::{Wire, bare, nobody_listens};
use super::{Brand, Endpoint, Engine, Inner};
use crate::config::PodmanConfig;

/// Seconds that the client itself waits: for ever, since each call has its own deadline.
const CLIENT_TIMEOUT: u64 = 10 * 365 * 24 * 3600;

const REACH: &str = "reach the container engine at";

impl Engine {
    /// Finds the engine that the configuration and the environment lead to. What is named is used, or is an error;
    /// where nothing is named only podman is.
    pub(crate) async fn connect(config: &PodmanConfig, by: Instant) -> Result<Self> {
        match Self::present(config, by).await? {
            Some(engine) => Ok(engine),
            None => Self::own(private::settings(), config, by).await,
        }
    }

    /// The same, where it is there already; `None` where a private one would be started.
    pub(crate) async fn present(config: &PodmanConfig, by: Instant) -> Result<Option<Self>> {
        let root = rustix::process::geteuid().is_root();
        let sockets = match wish(config.socket.as_deref(), |name| std::env::var(name).ok(), root) {
            Wish::Named(address) => {
                return Self::open(Endpoint::named(&address)?, None, by).await.map(Some);
            }
            Wish::Usual(sockets) => sockets,
        };
        for socket in sockets {
            let endpoint = Endpoint::named(&socket.display().to_string())?;
            match Self::open(endpoint, None, by).await {
                Ok(engine) if engine.brand() == Brand::Podman => return Ok(Some(engine)),
                Ok(engine) => {
                    return Err(Error::new(ErrorKind::Config, REACH, socket.display().to_string())
                        .because(format!(
                            "{} {} answers at podman's socket",
                            engine.brand().name(),
                            engine.version()
                        ))
                        .hint("where it is meant, name it: the key `socket`, or CONTAINER_HOST"));
                }
                Err(error) if is_not_there(&error) => tracing::debug!(%error, "no podman there"),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The engine of this endpoint, and no other. For a private one: one with the same containers.
    pub(crate) async fn at(endpoint: &Endpoint, config: &PodmanConfig, by: Instant) -> Result<Self> {
        match Self::open(endpoint.clone(), None, by).await {
            Err(error) if endpoint.private && is_not_there(&error) => {
                Self::own(endpoint.settings.clone(), config, by).await
            }
            result => result,
        }
    }

    /// A private engine.
    pub(super) async fn own(
        settings: BTreeMap<String, String>,
        config: &PodmanConfig,
        by: Instant,
    ) -> Result<Self> {
        let private = Private::new(&config.program, settings)?;
        let address = format!("unix://{}", private.socket().display());
        let endpoint = Endpoint { address, private: true, settings: private.settings().clone() };
        Self::open(endpoint, Some(Arc::new(private)), by).await
    }

    async fn open(endpoint: Endpoint, private: Option<Arc<Private>>, by: Instant) -> Result<Self> {
        let wire = Wire { way: endpoint.way()?, private };
        let request = bare(Method::GET, "/_ping")
            .map_err(|error| super::fault::told("the engine", REACH, &endpoint.address, error))?;
        let answer = timed("the engine", by, REACH, &endpoint.address, wire.send(request)).await?;
        let Some((brand, version)) = identify(answer.headers()) else {
            return Err(Error::new(ErrorKind::Config, REACH, endpoint.address).because(format!(
                "what answers there with status {} is neither podman nor Docker",
                answer.status()
            )));
        };
        let docker = client(&wire)
            .map_err(|error| super::fault::told(brand.name(), REACH, &endpoint.address, error))?;
        let rootless = match &wire.way {
            Way::Unix(path) => std::fs::metadata(path).is_ok_and(|socket| socket.uid() != 0),
            Way::Tcp(_) => false,
        };
        Ok(Self(Arc::new(Inner { docker, wire, brand, version, endpoint, rootless })))
    }
}

/// The client library, on our wire.
fn client(wire: &Wire) -> std::result::Result<Docker, Told> {
    let wire = wire.clone();
    let transport = move |request: BollardRequest| {
        let wire = wire.clone();
        async move { wire.send(request).await }
    };
    Docker::connect_with_custom_transport(
        transport,
        Some("http://engine"),
        CLIENT_TIMEOUT,
        API_DEFAULT_VERSION,
    )
}

/// Which engine it is. A ping says it at once, where the engine's description of itself takes podman 300 ms.
fn identify(headers: &HeaderMap) -> Option<(Brand, String)> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(version) = text("Libpod-Api-Version") {
        return Some((Brand::Podman, version.to_owned()));
    }
    let server = text(SERVER.as_str())?;
    let version = server.strip_prefix("Docker/")?;
    Some((Brand::Docker, version.split_whitespace().next().unwrap_or_default().to_owned()))
}

/// Whether there is none, or none for this user: as opposed to one that fails.
fn is_not_there(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    status(error).is_none() && source.is_some_and(|error| nobody_listens(error) || denied(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_told_apart_by_what_they_say_of_themselves() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            pairs.collect::<HeaderMap>()
        };
        let podman = headers(&[
            ("Libpod-Api-Version", "4.3.1"),
            ("Server", "Libpod/4.3.1 (linux)"),
            ("Api-Version", "1.41"),
        ]);
        assert_eq!(identify(&podman), Some((Brand::Podman, "4.3.1".into())));
        let docker = headers(&[("Server", "Docker/20.10.24+dfsg1 (linux)"), ("Api-Version", "1.41")]);
        assert_eq!(identify(&docker), Some((Brand::Docker, "20.10.24+dfsg1".into())));
        assert_eq!(identify(&headers(&[("Server", "nginx")])), None);
    }
}
