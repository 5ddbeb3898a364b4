//! What can be configured about the remote backend.

mod destination;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

pub use destination::Destination;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spawner_core::{Error, ErrorKind, Result};

/// How the remote backend is to work: the keys of a `[backend.NAME]` table with `kind = "remote"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteConfig {
    /// The host: `user@host`, or a name from the user's own ssh configuration, which counts in all that is not said
    /// here.
    pub destination: String,
    /// Several hosts in place of one: names, or tables with `destination` and what is different there. A task goes
    /// to the one that has the least to do.
    pub destinations: Vec<Destination>,
    /// How many tasks of this harness a host has at one time; more of them wait for one another, in order. Where
    /// nothing is said: of several hosts as many as each has processors, of a single one without a limit.
    pub slots: Option<NonZeroU32>,
    /// The port.
    pub port: Option<u16>,
    /// The key to log in with; no other is then offered.
    pub identity_file: Option<PathBuf>,
    /// Where the keys of known hosts are. A host whose key is not there, or is another, is refused.
    pub known_hosts_file: Option<PathBuf>,
    /// Through which hosts to go: `user@host:port`, several apart by commas.
    pub jump: Option<String>,
    /// How many seconds it may take to connect.
    pub connect_timeout: u32,
    /// After how many seconds without a word from the harness the far end ends the tasks by itself; at least 2.
    pub lease: u32,
    /// What the host must have; without it no task is started there.
    pub require: Option<Require>,
    /// The folder of the journal, in place of the usual one (see [`Journal`](spawner_core::Journal)).
    pub state_dir: Option<PathBuf>,
    /// Whether what dead harnesses of this user left is looked for, and ended, when the first task starts.
    pub sweep: bool,
}

/// What a host must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// A control group for each task.
    Cgroup,
    /// A mechanism that cannot miss a member: a control group or a subreaper.
    Proof,
}

impl RemoteConfig {
    /// The host of this name, as the user's own ssh configuration has it.
    pub fn at(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), ..Self::default() }
    }

    /// Several hosts, each with what else is configured.
    pub fn at_any<D: Into<Destination>>(destinations: impl IntoIterator<Item = D>) -> Self {
        let destinations = destinations.into_iter().map(Into::into).collect();
        Self { destinations, ..Self::default() }
    }

    /// Every host by itself, and how many tasks it takes.
    pub(crate) fn each(&self) -> Result<Vec<(Self, Option<NonZeroU32>)>> {
        if self.destinations.is_empty() {
            return Ok(vec![(self.clone(), self.slots)]);
        }
        let wrong = |subject: &str, why: &'static str| {
            Err(Error::new(ErrorKind::Config, "use the destination", format!("`{subject}`")).because(why))
        };
        if !self.destination.is_empty() {
            return wrong(&self.destination, "there are `destinations` besides; write it among them");
        }
        // What is the same for all is not copied for each of thousands.
        let common = Self { destinations: Vec::new(), ..self.clone() };
        let (mut each, mut seen) = (Vec::with_capacity(self.destinations.len()), HashSet::new());
        for one in &self.destinations {
            let at = common.with(one);
            if one.destination.is_empty() {
                return wrong("", "it names no host");
            }
            if !seen.insert((at.destination.clone(), at.port)) {
                return wrong(&one.destination, "it is named twice; give it more `slots` instead");
            }
            each.push((at, one.slots.or(self.slots)));
        }
        Ok(each)
    }

    fn with(&self, one: &Destination) -> Self {
        let Destination { destination, port, identity_file, jump, .. } = one.clone();
        Self {
            destination,
            port: port.or(self.port),
            identity_file: identity_file.or_else(|| self.identity_file.clone()),
            jump: jump.or_else(|| self.jump.clone()),
            ..self.clone()
        }
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout.max(1).into())
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease.max(2).into())
    }
}

impl Default for RemoteConfig {
    fn default() -> Self {
        Self {
            destination: String::new(),
            destinations: Vec::new(),
            slots: None,
            port: None,
            identity_file: None,
            known_hosts_file: None,
            jump: None,
            connect_timeout: 10,
            lease: 10,
            require: None,
            state_dir: None,
            sweep: true,
        }
    }
}

#[cfg(test)]
mod tests;
