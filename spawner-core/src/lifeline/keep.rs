//! What is to be cleaned up when its harness dies: told to a helper process, which is replaced where it is killed.
//!
//! A backend gives the helper a role, tells it of each task before anything of the task is made, and of its end. When
//! the socket ends, or the harness is dead, the helper does what the backend does then. One that is killed is replaced,
//! and the next one is told everything that is known.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::watcher::{self, State};
use crate::error::{Error, ErrorKind, Result};
use crate::id::TaskId;

/// How long a helper may take to do its work, before nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(8);

/// The role of a helper among the helpers of a harness.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    /// Its name.
    pub name: &'static str,
    /// The name of the thread that watches it.
    pub thread: &'static str,
    /// The constructor hook that calls [`take_over`](super::take_over) and then [`serve`](super::serve).
    pub hook: fn(),
}

/// What a harness tells its helper: lines of JSON. The helper says nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Word<S, C> {
    /// What comes first: how the backend works.
    Settings(S),
    /// A task is about to be made, or is there already; or more is known about it.
    Keep(TaskId, C),
    /// It is another's business from now on.
    Forget(TaskId),
}

/// One harness's helper in one role, for one spawner. Nothing is started before the first task.
#[derive(Debug)]
pub struct Keep<S: Clone + Serialize, C: Clone + Serialize> {
    state: Arc<Mutex<State<S, C>>>,
    /// Whether the helper that was told to leave has left.
    left: watch::Receiver<bool>,
}

impl<S, C> Keep<S, C>
where
    S: Clone + Serialize + Send + 'static,
    C: Clone + Serialize + Send + 'static,
{
    /// One in this role, that works with these settings.
    pub fn new(role: Role, settings: S) -> Self {
        let (state, left) = State::new(role, settings);
        Self { state: Arc::new(Mutex::new(state)), left }
    }

    /// Starts the helper, where there is none. Blocks for as long as a process takes to start.
    pub fn ready(&self) -> Result<()> {
        let running = self.state().is_running();
        if running { Ok(()) } else { watcher::start(&self.state) }
    }

    /// To be called before anything of a task is made. Starts the helper where there is none.
    pub fn keep(&self, task: TaskId, charge: C) -> Result<()> {
        self.ready()?;
        let mut state = self.state();
        state.charges.insert(task, charge.clone());
        state.tell(&Word::Keep(task, charge));
        Ok(())
    }

    /// More is known about a task that is kept.
    pub fn learn(&self, task: TaskId, edit: impl FnOnce(&mut C)) {
        let mut state = self.state();
        let Some(charge) = state.charges.get_mut(&task) else { return };
        edit(charge);
        let charge = charge.clone();
        state.tell(&Word::Keep(task, charge));
    }

    /// To be called when a task was proved gone, or may outlive its harness.
    pub fn forget(&self, task: TaskId) {
        let mut state = self.state();
        if state.charges.remove(&task).is_some() {
            state.tell(&Word::Forget(task));
        }
    }

    /// The helper cleans up what it was told of, and then ends.
    pub fn close(&self) {
        self.state().close();
    }

    /// Waits until it has, after [`Keep::close`].
    pub async fn left(&self) -> Result<()> {
        let mut left = self.left.clone();
        let gone = left.wait_for(|&left| left);
        let done = matches!(tokio::time::timeout(PATIENCE, gone).await, Ok(Ok(_)));
        if done {
            return Ok(());
        }
        Err(Error::new(ErrorKind::TimedOut, "see the end of", "the helper that cleans up"))
    }

    fn state(&self) -> MutexGuard<'_, State<S, C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Clone + Serialize, C: Clone + Serialize> Drop for Keep<S, C> {
    fn drop(&mut self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).close();
    }
}

/// What a helper was told by the time its harness died or told it to leave.
#[derive(Debug)]
pub struct Told<S, C> {
    /// How the backend works; `None` where the harness died before it said so.
    pub settings: Option<S>,
    /// The tasks that are kept.
    pub charges: BTreeMap<TaskId, C>,
    /// The harness's pid, where it is known to be dead: what it wrote half, nobody writes any more.
    pub dead: Option<u32>,
}

impl<S, C> Told<S, C> {
    pub(super) fn nothing() -> Self {
        Self { settings: None, charges: BTreeMap::new(), dead: None }
    }

    pub(super) fn note(&mut self, word: Word<S, C>) {
        match word {
            Word::Settings(settings) => self.settings = Some(settings),
            Word::Keep(task, charge) => drop(self.charges.insert(task, charge)),
            Word::Forget(task) => drop(self.charges.remove(&task)),
        }
    }
}
