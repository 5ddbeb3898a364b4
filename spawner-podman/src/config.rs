//! What can be configured about the podman backend.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spawner_core::Pull;

use crate::amount;

/// How the podman backend is to work: the keys of a `[backend.NAME]` table with `kind = "podman"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PodmanConfig {
    /// The engine's socket: a path, `unix:///path` or `tcp://host:port`. Where it is not given: `CONTAINER_HOST`,
    /// else this user's podman socket, else a private `podman system service`. Docker Engine answers too, where
    /// its socket is named.
    pub socket: Option<String>,
    /// The image of tasks that name none.
    pub image: Option<String>,
    /// When the image is fetched.
    pub pull: Pull,
    /// The network mode: `none`, `bridge`, `host`, or the name of a network. `None` is the engine's default.
    pub network: Option<String>,
    /// The user (and group) in the container; `None` is the image's.
    pub user: Option<String>,
    /// What of the host is mounted: `host:container` or `host:container:ro`.
    pub volumes: Vec<String>,
    /// Variables of every task's environment, below those that the task sets.
    pub env: BTreeMap<String, String>,
    /// Memory limit of every task, where the task sets none: a number of bytes, or a text like `512M`.
    #[serde(deserialize_with = "amount::bytes")]
    #[schemars(with = "Option<Bytes>")]
    pub memory: Option<u64>,
    /// CPUs' worth of time of every task, where the task sets none.
    #[serde(deserialize_with = "amount::number")]
    pub cpus: Option<f64>,
    /// Limit of processes and threads of every task, where the task sets none.
    #[serde(deserialize_with = "amount::count")]
    pub pids: Option<u64>,
    /// Whether the container's first process is an init that reaps orphans and passes signals on.
    pub init: bool,
    /// Whether tasks see the host's processes (`--pid=host`). They are then known by their control group, and by
    /// nothing where the engine gives none.
    pub host_pids: bool,
    /// The `podman` program: starts the private engine, and removes containers when no engine answers.
    pub program: PathBuf,
    /// The folder of the journal, in place of the usual one (see [`Journal`](spawner_core::Journal)).
    pub state_dir: Option<PathBuf>,
    /// Whether what dead harnesses of this user left is looked for, and ended, when the first task starts.
    pub sweep: bool,
}

/// How memory is written.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)] // For the schema.
enum Bytes {
    Number(u64),
    Text(String),
}

impl Default for PodmanConfig {
    fn default() -> Self {
        Self {
            socket: None,
            image: None,
            pull: Pull::default(),
            network: None,
            user: None,
            volumes: Vec::new(),
            env: BTreeMap::new(),
            memory: None,
            cpus: None,
            pids: None,
            init: false,
            host_pids: false,
            program: "podman".into(),
            state_dir: None,
            sweep: true,
        }
    }
}
