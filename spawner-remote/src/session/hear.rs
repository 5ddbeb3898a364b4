//! What was heard of one task.

use std::sync::Arc;

use spawner_core::{Exit, ProcessIdentity};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::said::{Looked, Member, Proof, Refusal, Said};

/// What is heard of one task, for everyone who waits for some of it.
pub(crate) type Ear = Arc<watch::Sender<Heard>>;

/// Its first process, and who guards it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) leader: ProcessIdentity,
    pub(crate) guardian: (u32, u64),
    pub(crate) pipe: String,
}

/// Everything is gone, by whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) by: Vec<Proof>,
}

impl Gone {
    /// Whether these words cannot miss a member.
    pub(crate) fn is_certain(&self) -> bool {
        self.by.iter().any(|proof| proof.is_certain())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) started: Option<Result<Started, Refusal>>,
    pub(crate) exit: Option<(Exit, Instant)>,
    /// Its main process has ended, and something is still there.
    pub(crate) left: bool,
    pub(crate) gone: Option<Gone>,
    /// Its control group could not be removed, when that was tried last.
    pub(crate) group_kept: bool,
    /// The answer to the last question who runs: the question's word, some of them, their number.
    pub(crate) members: Option<(String, Vec<Member>, usize)>,
    /// How often a signal was sent, and how often nobody was there for it.
    pub(crate) signals: (u64, u64),
    pub(crate) looked: Option<(Looked, Vec<Member>)>,
    pub(crate) kept: Option<Vec<String>>,
    pub(crate) adopted: bool,
    /// Its guardian speaks to the agent with this pipe now, by the word of the one before.
    pub(crate) taken: Option<String>,
    /// There is no guardian any more.
    pub(crate) deaf: bool,
    listing: Vec<Member>,
    reading: Vec<String>,
}

impl Heard {
    /// Takes note. What was seen to end stays so; what was lost may be found.
    pub(crate) fn note(&mut self, said: Said) {
        match said {
            Said::Started { leader, guardian, pipe } => {
                self.started = Some(Ok(Started { leader, guardian, pipe }));
            }
            Said::Refused(why) => self.started = Some(Err(why)),
            Said::Exit(exit) => self.ended(exit),
            Said::Left => self.left = true,
            Said::Member(member) => self.listing.push(member),
            Said::Members(count, word) => {
                self.members = Some((word, std::mem::take(&mut self.listing), count));
            }
            Said::Signal(true) => self.signals.0 += 1,
            Said::Signal(false) => self.signals.1 += 1,
            Said::Gone { by, group_kept } => (self.gone, self.group_kept) = (Some(Gone { by }), group_kept),
            Said::Adopted => self.adopted = true,
            Said::Taken(by) => self.taken = Some(by),
            Said::Looked(looked) => self.looked = Some((looked, std::mem::take(&mut self.listing))),
            Said::Kept(Some(line)) => self.reading.push(line),
            Said::Kept(None) => self.kept = Some(std::mem::take(&mut self.reading)),
        }
    }

    pub(crate) fn ended(&mut self, exit: Exit) {
        match &self.exit {
            None => self.exit = Some((exit, Instant::now())),
            Some((Exit::Lost { .. }, at)) if !matches!(exit, Exit::Lost { .. }) => {
                self.exit = Some((exit, *at));
            }
            Some(_) => {}
        }
    }
}
