//! What ends the containers of a harness that dies.
//!
//! A helper process of role `podman`, started with the first container, is told of each one before it is created.
//! When its socket ends, or its harness is dead, it kills what runs here at once, has the engine remove what there
//! is, and closes the records of what it saw to be gone. If it is killed, the harness starts another one and tells it
//! all it knows.

mod charge;
mod cleanup;
mod program;
mod strike;

use spawner_core::lifeline::{self, Role};
use spawner_core::{Result, TaskId};

pub(crate) use self::charge::Charge;
use crate::config::PodmanConfig;
use crate::local::Traces;

const ROLE: Role = Role { name: "podman", thread: "spawner-keep", hook: take_over };

/// Takes a freshly executed copy of the harness over, where it was started to be this helper.
#[ctor::ctor(unsafe)]
fn take_over() {
    lifeline::take_over(ROLE.name, |socket| lifeline::serve(c"spawner-keep", socket, cleanup::all));
}

/// One harness's helper, for one spawner. Nothing is started before the first container.
#[derive(Debug)]
pub(crate) struct Keep(lifeline::Keep<PodmanConfig, Charge>);

impl Keep {
    pub(crate) fn new(config: &PodmanConfig) -> Self {
        Self(lifeline::Keep::new(ROLE, config.clone()))
    }

    /// To be called before a container is created. Starts the helper where there is none.
    pub(crate) fn about_to_create(&self, charge: Charge) -> Result<()> {
        self.0.keep(charge.task, charge)
    }

    /// To be called once it was started, and again when more is known. A detached one is nobody's from then on.
    pub(crate) fn started(&self, task: TaskId, traces: &Traces) {
        let mut detached = false;
        self.0.learn(task, |charge| {
            charge.traces = Some(traces.clone());
            detached = charge.detached;
        });
        if detached {
            self.0.forget(task);
        }
    }

    /// To be called when the container was proved gone.
    pub(crate) fn forget(&self, task: TaskId) {
        self.0.forget(task);
    }

    /// The helper ends what it was told of, and then itself.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    /// Waits until it has, after [`Keep::close`].
    pub(crate) async fn left(&self) -> Result<()> {
        self.0.left().await
    }
}

#[cfg(test)]
mod tests;
