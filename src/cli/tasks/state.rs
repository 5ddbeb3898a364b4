//! How a task on record is doing, seen from here.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;
use spawner::journal::{Account, Whose};
use spawner::{Exit, TaskState};

use super::{asked, records};

/// How a task on record is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It is on record, and has no main process yet.
    Starting,
    /// Its main process is alive.
    Running,
    /// Its main process ended, and the record is open.
    Ended,
    /// It is detached, and everything of it is proved gone. The record is kept until it is destroyed.
    Gone,
    /// Its harness is dead: a sweep will resolve it.
    Left,
    /// Its main process is gone, and nobody wrote down how it ended.
    Lost,
    /// It is of another host, container or user, or from before this boot.
    Elsewhere,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Gone => "gone",
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// What the record and the process table say now.
    pub(super) fn of(account: &Account, whose: Whose) -> Self {
        let detached = account.is_detached();
        match whose {
            Whose::OtherHost | Whose::OtherUser => return Self::Elsewhere,
            _ if detached && account.gone().is_some() => return Self::Gone,
            Whose::OtherBoot => return Self::Elsewhere,
            Whose::Dead if !detached => return Self::Left,
            Whose::Dead | Whose::Living => {}
        }
        match account.record().leader {
            _ if account.exit().is_some() => Self::Ended,
            Some(leader) if leader.is_alive() => Self::Running,
            // How the others ended is known to their harness alone.
            Some(_) if !detached => Self::Ended,
            None if whose == Whose::Living => Self::Starting,
            Some(_) | None => Self::Lost,
        }
    }
}

impl From<&TaskState> for State {
    fn from(state: &TaskState) -> Self {
        match state {
            TaskState::Running => Self::Running,
            TaskState::Ended(Exit::Lost { .. }) => Self::Lost,
            TaskState::Ended(_) => Self::Ended,
            TaskState::Gone(_) => Self::Gone,
        }
    }
}

/// The record and how it is doing. Between the end of a process and the note of it there is an instant, in
/// which a task is not lost yet. `None` where the record has gone meanwhile.
pub(super) fn settled(mut account: Account) -> Option<(Account, Whose, State)> {
    const PATIENCE: Duration = Duration::from_millis(100);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let whose = account.whose();
        let state = State::of(&account, whose);
        if state != State::Lost || asked::is_asked(&account) || Instant::now() > deadline {
            return Some((account, whose, state));
        }
        std::thread::sleep(Duration::from_millis(5));
        match records::journal_of(&account).find(account.opening.record.id) {
            Ok(Some(newer)) => account = newer,
            Ok(None) => return None,
            Err(_) => return Some((account, whose, state)),
        }
    }
}
