//! What a task may want of the container that it runs in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one task wants of its container, where its backend runs tasks in containers. What is `None` or empty
/// is as the backend was configured.
///
/// A backend without containers refuses a task that wants any of it, with
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerOptions {
    /// The image, as the engine knows it: a name with a tag or digest, or an id.
    pub image: Option<String>,
    /// When the image is fetched.
    pub pull: Option<Pull>,
    /// The network mode, in the engine's words: `none`, `bridge`, `host`, or the name of a network.
    pub network: Option<String>,
    /// The user (and group) in the container: `name`, `uid` or `uid:gid`.
    pub user: Option<String>,
    /// What of the host is mounted: `host:container` or `host:container:ro`, both absolute paths. Added to
    /// those that are configured.
    pub volumes: Vec<String>,
    /// Whether an init process, which reaps orphans and passes signals on, is the container's first.
    pub init: Option<bool>,
    /// Labels of the container. Those that begin with `spawner.` are the backend's own.
    pub labels: BTreeMap<String, String>,
}

impl ContainerOptions {
    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// When an image is fetched from its registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pull {
    /// Never: it must be there.
    Never,
    /// Where it is not there.
    #[default]
    Missing,
    /// Before every task.
    Always,
}

impl Pull {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Never, Self::Missing, Self::Always];

    /// The name in configuration and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Missing => "missing",
            Self::Always => "always",
        }
    }
}
