//! What is to be run on a far end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use spawner_remote::command::Mechanisms;

/// What is to be run.
pub struct Order {
    pub argv: Vec<OsString>,
    pub env: BTreeMap<OsString, Option<OsString>>,
    pub cwd: Option<PathBuf>,
    pub mechanisms: Mechanisms,
    pub grace: Duration,
    pub deadline: Duration,
    pub keep: Option<String>,
}

impl Order {
    pub fn of<S: Into<OsString>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            cwd: None,
            mechanisms: Mechanisms { group: true, reaper: true },
            grace: Duration::from_millis(300),
            deadline: Duration::from_secs(5),
            keep: None,
        }
    }

    pub fn sh(script: &str) -> Self {
        Self::of(["/bin/sh", "-c", script])
    }

    pub fn with(mut self, group: bool, reaper: bool) -> Self {
        self.mechanisms = Mechanisms { group, reaper };
        self
    }
}
