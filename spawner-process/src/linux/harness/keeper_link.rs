//! The conversation with one keeper.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use spawner_core::{Error, ProcessIdentity, Result};
use tokio::time::Instant;

use super::link::{Hear, Link};
use super::supervisor::Supervisor;
use crate::linux::words::{Ended, Order, Reply, Request, Sight, ToSupervisor, Word};

/// A keeper, seen from the harness.
#[derive(Debug)]
pub(crate) struct KeeperLink {
    pub(crate) pid: i32,
    pub(crate) identity: ProcessIdentity,
    /// Who forked it, where that was this harness's own.
    pub(crate) supervisor: Option<Arc<Supervisor>>,
    pub(crate) link: Link<KeeperState>,
}

/// What a keeper has said about its present task.
#[derive(Debug, Default)]
pub(crate) struct KeeperState {
    /// Which of its tasks is the present one.
    pub(crate) task: u32,
    pub(crate) ended: Option<(Ended, Instant)>,
    pub(crate) empty: bool,
    /// The look after which everything was given back.
    pub(crate) gone: Option<Box<Sight>>,
    replies: HashMap<u32, Reply>,
    /// Whose answers nobody awaits any more, and have not come.
    dropped: HashSet<u32>,
    next: u32,
}

impl Hear for KeeperState {
    type Word = Word;

    fn hear(&mut self, word: Word, _: Vec<OwnedFd>) {
        match word {
            Word::Reply(number, _) if self.dropped.remove(&number) => {}
            Word::Reply(number, reply) => drop(self.replies.insert(number, reply)),
            Word::Ended(ended) => self.ended = Some((ended, Instant::now())),
            Word::Empty => self.empty = true,
            Word::Gone(ended, sight) => {
                if let Some(ended) = ended {
                    self.ended = Some((ended, Instant::now()));
                }
                self.empty = true;
                self.gone = Some(sight);
            }
        }
    }
}

impl KeeperState {
    /// Forgets the task that was given back; not the answers, which somebody may still be about to take.
    pub(crate) fn next_task(&mut self) {
        *self = Self {
            task: self.task.wrapping_add(1),
            next: self.next,
            replies: std::mem::take(&mut self.replies),
            dropped: std::mem::take(&mut self.dropped),
            ..Self::default()
        };
    }

    fn forget(&mut self, number: u32) {
        if self.replies.remove(&number).is_none() {
            self.dropped.insert(number);
        }
    }
}

/// A call that waits for its answer; without it, the answer is dropped when it comes.
struct Asked<'a> {
    link: &'a KeeperLink,
    number: u32,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.link.link.with(|state| state.forget(self.number));
    }
}

impl KeeperLink {
    /// Has the supervisor not wait for this keeper, nor end it, when the harness is dead.
    pub(crate) fn detach(&self) {
        let told =
            self.supervisor.as_ref().map(|own| own.link.say(&ToSupervisor::Detach(self.pid), Vec::new()));
        if let Some(Err(error)) = told {
            // A supervisor that is gone waits for nobody.
            tracing::trace!(%error, "the supervisor is gone");
        }
    }

    /// The control group in which it makes those of its tasks.
    pub(crate) fn group(&self) -> Option<PathBuf> {
        self.supervisor.as_ref()?.set_up.group.clone()
    }

    /// Whether the supervisor that inherits what this keeper keeps is there.
    pub(crate) fn has_supervisor(&self) -> bool {
        self.supervisor.as_ref().is_some_and(|supervisor| !supervisor.link.is_closed())
    }

    /// Says something and waits for the answer. Cancel-safe: the answer to a dropped call is dropped.
    pub(crate) async fn ask(&self, order: Order, descriptors: Vec<OwnedFd>) -> Result<Reply> {
        let number = self.say(order, descriptors)?;
        let asked = Asked { link: self, number };
        let reply = self.answer(number).await?;
        std::mem::forget(asked);
        Ok(reply)
    }

    /// Says something, to which [`KeeperLink::answer`] gets the answer.
    pub(crate) fn say(&self, order: Order, descriptors: Vec<OwnedFd>) -> Result<u32> {
        let number = self.link.with(|state| {
            state.next = state.next.wrapping_add(1);
            state.next
        });
        self.link.say(&Request { number, order }, descriptors).map_err(lost)?;
        Ok(number)
    }

    pub(crate) async fn answer(&self, number: u32) -> Result<Reply> {
        self.link.until(|state| state.replies.remove(&number)).await.map_err(lost)
    }
}

fn lost(source: io::Error) -> Error {
    Error::io("talk to", "the keeper of the task", source)
}
