//! The supervisor, as its harness knows it: what it said, and who waits for a keeper of it.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use spawner_core::ProcessIdentity;
use spawner_core::lifeline::Helper;

use super::link::{Hear, Link};
use crate::linux::words::{FromSupervisor, Index, Orphans, SetUp};

/// What the supervisor has said.
#[derive(Debug, Default)]
pub(crate) struct SupervisorState {
    pub(super) keepers: Vec<(i32, Index, OwnedFd)>,
    refusals: Vec<i32>,
    /// Keepers that were ordered and have not come.
    ordered: usize,
    /// Calls that wait for one.
    waiting: usize,
    pub(super) orphans: Option<Orphans>,
}

impl Hear for SupervisorState {
    type Word = FromSupervisor;

    fn hear(&mut self, word: FromSupervisor, mut descriptors: Vec<OwnedFd>) {
        match word {
            FromSupervisor::Keeper(pid, index) => {
                self.ordered = self.ordered.saturating_sub(1);
                match descriptors.pop() {
                    Some(socket) => self.keepers.push((pid, index, socket)),
                    // There was no descriptor left to receive its socket with, so it has left already.
                    None => self.refuse(libc::EMFILE),
                }
            }
            FromSupervisor::NoKeeper(errno) => {
                self.ordered = self.ordered.saturating_sub(1);
                self.refuse(errno);
            }
            FromSupervisor::Orphans(orphans) => self.orphans = Some(orphans),
        }
    }
}

impl SupervisorState {
    /// One that makes a keeper without being asked.
    pub(super) fn with_one_ordered() -> Self {
        Self { ordered: 1, ..Self::default() }
    }

    /// How many of those who wait get no keeper, though every one that was ordered come.
    fn missing(&self) -> usize {
        self.waiting.saturating_sub(self.keepers.len() + self.ordered)
    }

    fn refuse(&mut self, errno: i32) {
        self.refusals.push(errno);
        self.forget_stale();
    }

    /// Forgets the refusals of those who do not wait any more: the next who asks may be luckier.
    fn forget_stale(&mut self) {
        self.refusals.truncate(self.missing());
    }

    /// A keeper for one of those who wait, or why there is none.
    pub(super) fn take(&mut self) -> Option<Result<(i32, Index, OwnedFd), i32>> {
        self.keepers.pop().map(Ok).or_else(|| self.refusals.pop().map(Err))
    }
}

/// A running supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) link: Link<SupervisorState>,
    /// What its keepers are told first.
    pub(crate) set_up: SetUp,
    /// As records name it.
    pub(crate) identity: Option<ProcessIdentity>,
    pub(super) helper: Mutex<Option<Helper>>,
}

impl Supervisor {
    /// Lets it go on, should a task have stopped it.
    pub(super) fn resume(&self) {
        let mut helper = self.helper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = helper.as_mut().map(Helper::resume) {
            tracing::warn!(%error, "the supervisor may be stopped");
        }
    }
}

/// One call that waits for a keeper.
pub(super) struct Waiting<'a>(&'a Link<SupervisorState>);

impl<'a> Waiting<'a> {
    /// Joins those who wait; says whether one more keeper must be ordered.
    pub(super) fn join(link: &'a Link<SupervisorState>) -> (Self, bool) {
        let short = link.with(|state| {
            state.waiting += 1;
            // Each refusal is for another one of those who wait.
            let short = state.missing() > state.refusals.len();
            state.ordered += usize::from(short);
            short
        });
        (Self(link), short)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.waiting -= 1;
            state.forget_stale();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_for_those_who_waited_and_for_nobody_later() {
        let mut state = SupervisorState { ordered: 1, waiting: 1, ..SupervisorState::default() };
        state.hear(FromSupervisor::NoKeeper(libc::EAGAIN), Vec::new());
        assert!(matches!(state.take(), Some(Err(libc::EAGAIN))));

        // It has gone away meanwhile, or goes before it takes its answer.
        let mut state = SupervisorState { ordered: 1, ..SupervisorState::default() };
        state.hear(FromSupervisor::NoKeeper(libc::EAGAIN), Vec::new());
        assert!(state.take().is_none());
        let mut state = SupervisorState { ordered: 1, waiting: 1, ..SupervisorState::default() };
        state.hear(FromSupervisor::NoKeeper(libc::EAGAIN), Vec::new());
        state.waiting -= 1;
        state.forget_stale();
        assert!(state.take().is_none());

        // Another one waits for what it ordered itself.
        let mut state = SupervisorState { ordered: 2, waiting: 1, ..SupervisorState::default() };
        state.hear(FromSupervisor::NoKeeper(libc::EAGAIN), Vec::new());
        assert!(state.take().is_none());
        state.hear(FromSupervisor::NoKeeper(libc::ENOMEM), Vec::new());
        assert!(matches!(state.take(), Some(Err(libc::ENOMEM))));
    }
}
