//! What the helper is told of one container.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use spawner_core::TaskId;

use crate::engine::Endpoint;
use crate::local::Traces;

/// A container that is to go when its harness does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Charge {
    /// Of which task it is.
    pub(crate) task: TaskId,
    /// Its name: all that is known of it before the engine has answered.
    pub(crate) name: String,
    /// Which engine has it.
    pub(crate) endpoint: Endpoint,
    /// Its record, to be closed once all of it was seen to be gone.
    pub(crate) page: Option<PathBuf>,
    /// Whether the task may outlive the harness, once it was started.
    pub(crate) detached: bool,
    /// What it is known by without the engine, once it was started.
    pub(crate) traces: Option<Traces>,
}

impl Charge {
    /// The container's full id, where the engine has said it.
    pub(super) fn id(&self) -> Option<&str> {
        self.traces.as_ref().map(|traces| traces.id.as_str()).filter(|id| !id.is_empty())
    }
}
