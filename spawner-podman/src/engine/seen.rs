//! What the engine says of things.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A container, as the engine sees it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The full id.
    pub(crate) id: String,
    /// The name, without a slash.
    pub(crate) name: String,
    pub(crate) status: Status,
    /// The first process, in the engine's pid namespace, while it runs.
    pub(crate) pid: Option<i32>,
    /// The engine's process that watches it, where podman says.
    #[cfg(test)]
    pub(crate) conmon_pid: Option<i32>,
    /// How it ended: the code, or 128 and the number of the signal.
    pub(crate) exit_code: Option<i64>,
    /// Whether the kernel killed something in it for want of memory.
    pub(crate) oom: bool,
    pub(crate) started: Option<String>,
    /// The ids of its exec sessions.
    pub(crate) execs: Vec<String>,
    pub(crate) volumes: Vec<SeenVolume>,
    pub(crate) labels: BTreeMap<String, String>,
    /// The file of its log, where the log driver has one.
    pub(crate) log_path: Option<String>,
    /// The folder of its own layer of the file system, where the storage driver has one.
    pub(crate) layer: Option<PathBuf>,
    /// `no`, or what somebody else made of it.
    pub(crate) restart_policy: String,
}

/// The state of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    Created,
    Running,
    Paused,
    Restarting,
    Stopping,
    Exited,
    Removing,
    Dead,
    /// The engine has a word for it that is not known here.
    Other,
}

/// A volume of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenVolume {
    pub(crate) name: String,
    /// Whether it was made for this container, and goes with it.
    pub(crate) anonymous: bool,
}

/// A container in a list.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// What became of a request to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    Removed,
    /// There was none.
    AlreadyGone,
}

impl Status {
    /// The state for the engine's word.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "created" | "configured" | "initialized" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "stopping" => Self::Stopping,
            "exited" | "stopped" => Self::Exited,
            "removing" => Self::Removing,
            "dead" => Self::Dead,
            _ => Self::Other,
        }
    }

    /// Whether its first process ran, and has ended.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Exited | Self::Dead)
    }

    /// Whether something may run in it; also where the engine has a word for it that is not known here.
    pub(crate) fn is_live(self) -> bool {
        !matches!(self, Self::Created | Self::Exited | Self::Dead | Self::Removing)
    }
}

/// What both engines say, with null for what is empty.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Told {
    id: String,
    name: Option<String>,
    state: State,
    #[serde(rename = "ExecIDs")]
    exec_ids: Option<Vec<String>>,
    mounts: Option<Vec<Mount>>,
    config: Config,
    host_config: HostConfig,
    log_path: Option<String>,
    graph_driver: Option<GraphDriver>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct GraphDriver {
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    status: String,
    pid: i64,
    #[cfg(test)]
    conmon_pid: i64,
    exit_code: i64,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    started_at: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Mount {
    r#type: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    restart_policy: Option<RestartPolicy>,
    log_config: Option<LogConfig>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RestartPolicy {
    name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct LogConfig {
    path: Option<String>,
}

/// One container in a list.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ToldInList {
    id: String,
    names: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
}

impl Seen {
    /// The names of the volumes that were made for it.
    pub(crate) fn own_volumes(&self) -> impl Iterator<Item = String> {
        self.volumes.iter().filter(|volume| volume.anonymous).map(|volume| volume.name.clone())
    }

    /// From the engine's answer.
    pub(super) fn of(told: Told) -> Self {
        let Told { state, host_config, .. } = told;
        let status = Status::of(&state.status);
        let volumes =
            told.mounts.into_iter().flatten().filter(|mount| mount.r#type.as_deref() == Some("volume"));
        let log = told.log_path.or(host_config.log_config.and_then(|log| log.path));
        let policy = host_config.restart_policy.and_then(|policy| policy.name);
        Self {
            id: told.id,
            name: plain(told.name),
            status,
            pid: pid(state.pid),
            #[cfg(test)]
            conmon_pid: pid(state.conmon_pid),
            exit_code: matches!(status, Status::Exited | Status::Dead).then_some(state.exit_code),
            oom: state.oom_killed,
            started: time(state.started_at),
            execs: told.exec_ids.unwrap_or_default(),
            volumes: volumes.filter_map(|mount| mount.name).map(SeenVolume::of).collect(),
            labels: told.config.labels.unwrap_or_default(),
            log_path: log.filter(|path| !path.is_empty()),
            layer: told.graph_driver.as_ref().and_then(layer),
            restart_policy: policy.filter(|name| !name.is_empty()).unwrap_or_else(|| "no".to_owned()),
        }
    }
}

impl SeenVolume {
    fn of(name: String) -> Self {
        let anonymous = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self { name, anonymous }
    }
}

impl Listed {
    /// From the engine's answer.
    pub(super) fn of(told: ToldInList) -> Self {
        Self {
            id: told.id,
            name: plain(told.names.and_then(|names| names.into_iter().next())),
            labels: told.labels.unwrap_or_default(),
        }
    }
}

/// Its writable part is a folder in it.
fn layer(driver: &GraphDriver) -> Option<PathBuf> {
    PathBuf::from(driver.data.as_ref()?.get("UpperDir")?).parent().map(Path::to_owned)
}

/// A pid, where there is one.
fn pid(told: i64) -> Option<i32> {
    i32::try_from(told).ok().filter(|&pid| pid > 0)
}

fn plain(name: Option<String>) -> String {
    name.unwrap_or_default().trim_start_matches('/').to_owned()
}

/// Both engines have a time before the common era for what has not happened.
fn time(told: Option<String>) -> Option<String> {
    told.filter(|time| !time.is_empty() && !time.starts_with("0001-"))
}
