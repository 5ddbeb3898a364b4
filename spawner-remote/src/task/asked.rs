//! Whether the far end was told what to execute. Before that it can have started nothing, whatever becomes of it.

use std::sync::Mutex;

use crate::lock::lock;

#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<State>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    No,
    Yes,
    /// It is not to be told any more.
    Never,
}

impl Asked {
    /// Whether it may be told; from then on it was.
    pub(super) fn may_be(&self) -> bool {
        self.settle(State::Yes)
    }

    /// Whether it was told; if not, it will not be.
    pub(super) fn is_settled(&self) -> bool {
        self.settle(State::Never)
    }

    /// Whether it was told by now.
    pub(super) fn was(&self) -> bool {
        *lock(&self.0) == State::Yes
    }

    fn settle(&self, undecided: State) -> bool {
        let mut state = lock(&self.0);
        if *state == State::No {
            *state = undecided;
        }
        *state == State::Yes
    }
}
