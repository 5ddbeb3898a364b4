//! What a host offers to the process backend.

use std::path::PathBuf;

use crate::config::Choice;

/// Whether one mechanism works here, and why not or how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which mechanism.
    pub mechanism: Choice,
    /// Whether it works here.
    pub works: bool,
    /// How it works, or why it does not, and what would help.
    pub detail: String,
}

/// What this host offers to the process backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostReport {
    /// Every mechanism, the strongest first.
    pub findings: Vec<Finding>,
    /// The one that the configuration leads to.
    pub chosen: Choice,
    /// The control group below which tasks get theirs, where there is one.
    pub cgroup_parent: Option<PathBuf>,
    /// Which limits can be set, and through what: name and means, or why not.
    pub limits: Vec<(&'static str, std::result::Result<String, String>)>,
}
