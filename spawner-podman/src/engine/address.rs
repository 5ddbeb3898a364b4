//! Where engines are looked for, and how their addresses are written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spawner_core::{Error, ErrorKind, Result};

use super::Endpoint;

/// One way to an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

/// Where the engine is to be looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Somebody named it: there and nowhere else.
    Named(String),
    /// The sockets of podman, the nearest first; else a private engine.
    Usual(Vec<PathBuf>),
}

/// What the configuration and the environment lead to. `DOCKER_HOST` is not asked: an engine of another brand is
/// used only where it is named.
pub(super) fn wish(
    configured: Option<&str>,
    environment: impl Fn(&str) -> Option<String>,
    root: bool,
) -> Wish {
    let named = configured.map(str::to_owned).or_else(|| environment("CONTAINER_HOST"));
    if let Some(address) = named.filter(|address| !address.is_empty()) {
        return Wish::Named(address);
    }
    let rootless = environment("XDG_RUNTIME_DIR").filter(|folder| !root && !folder.is_empty());
    let own = rootless.map(|folder| Path::new(&folder).join("podman/podman.sock"));
    Wish::Usual(own.into_iter().chain(["/run/podman/podman.sock".into()]).collect())
}

impl Endpoint {
    /// The endpoint that people mean by `address`.
    pub(super) fn named(address: &str) -> Result<Self> {
        let wrong = |why: &str, help: &'static str| {
            Err(Error::new(ErrorKind::Config, "use the container engine at", address)
                .because(why.to_owned())
                .hint(help))
        };
        let forms = "write unix:///path/to/socket or tcp://host:port";
        let plain = |address: String| Ok(Self { address, private: false, settings: BTreeMap::new() });
        match address.split_once(':') {
            _ if address.starts_with('/') => plain(format!("unix://{address}")),
            Some(("unix", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                if !path.starts_with('/') {
                    return wrong("the path of the socket is not absolute", forms);
                }
                plain(format!("unix://{path}"))
            }
            Some(("tcp" | "http", rest)) => {
                let place = rest.trim_start_matches('/').trim_end_matches('/');
                let port = place.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
                if port.is_none() || place.contains(['/', '@']) {
                    return wrong("it names no host and port", forms);
                }
                plain(format!("tcp://{place}"))
            }
            Some(("ssh", _)) => wrong(
                "ssh is not spoken here",
                "forward the socket, ssh -N -L /path/to/socket:/run/podman/podman.sock HOST, and name unix:///path/to/socket",
            ),
            Some(("https", _)) => wrong("TLS is not spoken here", forms),
            _ => wrong("that is no address of an engine", forms),
        }
    }

    /// How it is reached.
    pub(super) fn way(&self) -> Result<Way> {
        if let Some(path) = self.socket() {
            return Ok(Way::Unix(path.to_owned()));
        }
        match self.address.strip_prefix("tcp://") {
            Some(place) => Ok(Way::Tcp(place.to_owned())),
            // A record may have been damaged.
            None => Self::named(&self.address)?.way(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_used_and_nothing_else() {
        let environment = |name: &str| Some(format!("unix:///{name}"));
        assert_eq!(wish(Some("/a.sock"), environment, true), Wish::Named("/a.sock".into()));
        assert_eq!(wish(None, environment, true), Wish::Named("unix:///CONTAINER_HOST".into()));
    }

    #[test]
    fn the_own_socket_comes_before_that_of_root_and_docker_s_is_none() {
        let environment = |name: &str| match name {
            "XDG_RUNTIME_DIR" => Some("/run/user/7".to_owned()),
            "DOCKER_HOST" => Some("unix:///docker.sock".to_owned()),
            _ => None,
        };
        let (own, of_root) = ("/run/user/7/podman/podman.sock".into(), "/run/podman/podman.sock".into());
        assert_eq!(wish(None, environment, false), Wish::Usual(vec![own, PathBuf::clone(&of_root)]));
        assert_eq!(wish(None, environment, true), Wish::Usual(vec![of_root]));
    }

    #[test]
    fn addresses_are_understood_as_people_write_them() {
        for (written, meant) in [
            ("/run/x.sock", "unix:///run/x.sock"),
            ("unix:///run/x.sock", "unix:///run/x.sock"),
            ("unix:/run/x.sock", "unix:///run/x.sock"),
            ("tcp://box:2375", "tcp://box:2375"),
            ("tcp://box:2375/", "tcp://box:2375"),
            ("http://[::1]:80", "tcp://[::1]:80"),
        ] {
            assert_eq!(Endpoint::named(written).unwrap().address, meant);
        }
    }

    #[test]
    fn what_cannot_be_reached_is_refused_with_what_would_do() {
        for (written, told) in [
            ("ssh://core@box/run/podman/podman.sock", "ssh -N -L"),
            ("https://box:2376", "TLS"),
            ("unix://x.sock", "not absolute"),
            ("tcp://box", "no host and port"),
            ("tcp://user@box:1", "no host and port"),
            ("podman", "no address"),
            ("npipe://x", "no address"),
        ] {
            let error = Endpoint::named(written).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{written}");
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
