//! Where and by whom a record was made.

use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::ProcessIdentity;
use crate::table;

/// One machine, and what of it a process sees. A pid means something only within it, and until it reboots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its machine id (machine-id(5); the installation's GUID on Windows) and host name: a state folder may be shared
    /// over the network.
    pub machine: String,
    /// What names this boot.
    pub boot_id: String,
    /// The namespaces in which pids and start times are counted (pid_namespaces(7), time_namespaces(7)): containers
    /// share the kernel, and its boot id. On Windows, the session, whose names of kernel objects are its own.
    pub namespaces: String,
}

impl Host {
    /// The one that this process is on.
    pub fn own() -> Self {
        Self { machine: table::machine(), boot_id: ProcessIdentity::boot(), namespaces: table::namespaces() }
    }
}

/// The process that embeds the spawner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Harness {
    /// Which process.
    pub process: ProcessIdentity,
    /// What it was started as, for people.
    pub command: String,
}

/// What does not change while a process lives, by the pid of that process: a fork is another one.
static OWN: Mutex<Option<(Host, Harness)>> = Mutex::new(None);

/// This host, and this process as a harness.
pub(super) fn own() -> (Host, Harness) {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    match own.as_ref() {
        Some(known) if known.1.process.pid == std::process::id() => known.clone(),
        _ => {
            let program = std::env::args_os().next().unwrap_or_default();
            let name = std::path::Path::new(&program).file_name().unwrap_or(&program);
            let command = name.to_string_lossy().into_owned();
            own.insert((Host::own(), Harness { process: ProcessIdentity::own(), command })).clone()
        }
    }
}
