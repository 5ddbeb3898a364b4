//! What ends the containers of a harness that dies.
//!
//! A helper process of role `podman`, started with the first container, is told of each one before it is created.
//! When its socket ends, or its harness is dead, it kills what runs here at once, has the engine remove what there
//! is, and closes the records of what it saw to be gone. If it is killed, the harness starts another one and tells it
//! all it knows.

mod cleanup;
mod executable;
mod helper;
mod process;
mod program;
mod strike;
mod watcher;
mod words;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spawner_core::{Error, ErrorKind, Result, TaskId};
use tokio::sync::watch;

use self::watcher::State;
pub(crate) use self::words::Charge;
use self::words::Word;
use crate::config::PodmanConfig;
use crate::local::Traces;

/// The role of this helper among the helpers of a harness.
const ROLE: &str = "podman";

/// How long a helper may take to end what it was told of, before nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(8);

/// One harness's helper, for one spawner. Nothing is started before the first container.
#[derive(Debug)]
pub(crate) struct Keep {
    state: Arc<Mutex<State>>,
    /// Whether the helper that was told to leave has left.
    left: watch::Receiver<bool>,
}

impl Keep {
    pub(crate) fn new(config: &PodmanConfig) -> Self {
        let (state, left) = State::new(config);
        Self { state: Arc::new(Mutex::new(state)), left }
    }

    /// To be called before a container is created. Starts the helper where there is none.
    pub(crate) fn about_to_create(&self, charge: Charge) -> Result<()> {
        self.ready()?;
        let mut state = self.state();
        state.charges.insert(charge.task, charge.clone());
        state.tell(&Word::Keep(Box::new(charge)));
        Ok(())
    }

    /// To be called once it was started, and again when more is known. A detached one is nobody's from then on.
    pub(crate) fn started(&self, task: TaskId, traces: &Traces) {
        let mut state = self.state();
        let Some(charge) = state.charges.get_mut(&task) else { return };
        if charge.detached {
            state.charges.remove(&task);
            return state.tell(&Word::Forget(task));
        }
        charge.traces = Some(traces.clone());
        state.tell(&Word::Started(task, Box::new(traces.clone())));
    }

    /// To be called when the container was proved gone.
    pub(crate) fn forget(&self, task: TaskId) {
        let mut state = self.state();
        if state.charges.remove(&task).is_some() {
            state.tell(&Word::Forget(task));
        }
    }

    /// The helper ends what it was told of, and then itself.
    pub(crate) fn close(&self) {
        self.state().close();
    }

    /// Waits until it has, after [`Keep::close`].
    pub(crate) async fn left(&self) -> Result<()> {
        let mut left = self.left.clone();
        let gone = left.wait_for(|&left| left);
        let done = matches!(tokio::time::timeout(PATIENCE, gone).await, Ok(Ok(_)));
        if done {
            return Ok(());
        }
        Err(Error::new(ErrorKind::TimedOut, "see the end of", "the helper that ends containers"))
    }

    fn ready(&self) -> Result<()> {
        let running = self.state().is_running();
        if running { Ok(()) } else { watcher::start(&self.state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
