//! What can be configured about the process backend.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spawner_core::Mechanism;

/// How the process backend is to work: the keys of a `[backend.NAME]` table with `kind = "process"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessConfig {
    /// What the members of a task are known and killed by.
    pub mechanism: Choice,
    /// The control group (a folder on a cgroup v2 file system) below which tasks get theirs, in place of the
    /// harness's own. Where it has no processes of its own and its controllers are delegated, limits work.
    pub cgroup_parent: Option<PathBuf>,
    /// The program to start as the supervisor, where the harness's own executable cannot serve (a plugin
    /// in a host that was not linked with this crate): the path of a `spawner` program.
    pub supervisor: Option<PathBuf>,
    /// The folder below which each task gets a folder of its own, named to it by `SPAWNER_SCRATCH` and removed when the
    /// task is destroyed. Windows only, as yet.
    pub scratch: Option<PathBuf>,
    /// The folder of the journal, in place of the usual one (see [`Journal`](spawner_core::Journal)).
    pub state_dir: Option<PathBuf>,
    /// Whether what dead harnesses of this user left is looked for, and ended, when the first task starts. It
    /// happens aside, and costs nothing where nothing was left.
    pub sweep: bool,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            mechanism: Choice::Auto,
            cgroup_parent: None,
            supervisor: None,
            scratch: None,
            state_dir: None,
            sweep: true,
        }
    }
}

/// Which mechanism the process backend uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The strongest that this host gives and that a task cannot see: `cgroup-v2`, else `subreaper`, else
    /// `process-group`; on Windows, `job-object`.
    #[default]
    Auto,
    /// A control group for each task, besides the subreaper.
    CgroupV2,
    /// The subreaper alone.
    Subreaper,
    /// A pid namespace for each task, besides the subreaper (and a control group where there is one). The
    /// task sees it: its pids are others, and it cannot see the host's processes.
    PidNamespace,
    /// A Job Object for each task (Windows).
    JobObject,
    /// The task's session and a walk over the process tree. Can be escaped; never proves anything.
    ProcessGroup,
}

impl Choice {
    /// Every choice but `auto`, the strongest first.
    pub const MECHANISMS: [Self; 5] =
        [Self::CgroupV2, Self::Subreaper, Self::PidNamespace, Self::JobObject, Self::ProcessGroup];

    /// What the members of a task are known by; `group` where it has a control group.
    #[cfg_attr(windows, allow(dead_code, reason = "there is one there"))]
    pub(crate) fn mechanisms(self, group: bool) -> Vec<Mechanism> {
        let mut mechanisms = Vec::new();
        mechanisms.extend((self == Self::PidNamespace).then_some(Mechanism::PidNamespace));
        mechanisms.extend(group.then_some(Mechanism::CgroupV2));
        mechanisms.push(match self {
            Self::ProcessGroup => Mechanism::ProcessGroup,
            Self::JobObject => Mechanism::JobObject,
            Self::Auto | Self::CgroupV2 | Self::Subreaper | Self::PidNamespace => Mechanism::Subreaper,
        });
        mechanisms
    }

    /// The name in configuration and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::CgroupV2 => "cgroup-v2",
            Self::Subreaper => "subreaper",
            Self::PidNamespace => "pid-namespace",
            Self::JobObject => "job-object",
            Self::ProcessGroup => "process-group",
        }
    }
}
