//! The conversation with one keeper.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use spawner_core::proc::Stat;
use spawner_core::{Error, ErrorKind, ProcessIdentity, Result};
use tokio::time::{Instant, timeout};

use super::leaving::signal_by_identity;
use super::link::{Hear, Link};
use super::supervisor::Supervisor;
use crate::linux::words::{Ended, Index, Order, Reply, Request, Sight, ToSupervisor, Word};

/// How long a keeper may take to hear an order before it counts as stuck: somebody may have stopped it.
pub(super) const HEARING: Duration = Duration::from_secs(1);

/// How often a keeper that is awaited is looked at: that something stopped it sends no notice.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A keeper, seen from the harness.
#[derive(Debug)]
pub(crate) struct KeeperLink {
    pub(crate) pid: i32,
    pub(crate) identity: ProcessIdentity,
    /// Who forked it, where that was this harness's own.
    pub(crate) supervisor: Option<Arc<Supervisor>>,
    /// Which it is among those of that one.
    pub(super) index: Index,
    pub(crate) link: Link<KeeperState>,
    /// Whether the supervisor does not wait for it.
    detached: AtomicBool,
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
    pub(super) fn new(
        identity: ProcessIdentity,
        own: Option<(Arc<Supervisor>, Index)>,
        link: Link<KeeperState>,
    ) -> Self {
        let pid = identity.pid.cast_signed();
        let (supervisor, index) = own.unzip();
        let index = index.unwrap_or_default();
        Self { pid, identity, supervisor, index, link, detached: AtomicBool::new(false) }
    }

    /// Whether it can have another task: a supervisor that does not wait for it would not wait for that one either.
    pub(super) fn is_for_any_task(&self) -> bool {
        !self.detached.load(Ordering::Relaxed)
    }

    /// Has the supervisor not wait for this keeper, nor end it, when the harness is dead.
    pub(crate) fn detach(&self) {
        self.detached.store(true, Ordering::Relaxed);
        let told =
            self.supervisor.as_ref().map(|own| own.link.say(&ToSupervisor::Detach(self.index), Vec::new()));
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

    /// The same for what takes no time, of a keeper that is let go on where it is stopped.
    pub(crate) async fn have_done(&self, order: Order) -> Result<Reply> {
        let number = self.say(order, Vec::new())?;
        let asked = Asked { link: self, number };
        let Ok(reply) = timeout(HEARING, self.answer_awake(number)).await else { return Err(unheard()) };
        std::mem::forget(asked);
        reply
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

    /// The same, however long it takes, of a keeper that is awake: one that is found to be stopped is let go on, and an
    /// error where it stays so. Who executes a program on a slow file system sleeps, and is not stopped.
    pub(crate) async fn answer_awake(&self, number: u32) -> Result<Reply> {
        let answer = self.answer(number);
        tokio::pin!(answer);
        let mut stopped_since = None;
        loop {
            if let Ok(reply) = timeout(LOOK_AGAIN, &mut answer).await {
                return reply;
            }
            if !self.is_stopped() {
                stopped_since = None;
                continue;
            }
            let since = *stopped_since.get_or_insert_with(|| {
                if let Err(error) = signal_by_identity(&self.identity, Signal::CONT) {
                    tracing::warn!(%error, "a keeper may stay stopped");
                }
                Instant::now()
            });
            if since.elapsed() > HEARING {
                return Err(unheard());
            }
        }
    }

    /// Returns where it is found to be stopped; a task may have done that.
    pub(super) async fn stopped(&self) {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if self.is_stopped() {
                return;
            }
        }
    }

    fn is_stopped(&self) -> bool {
        Stat::of(self.pid).is_ok_and(|stat| matches!(stat.state, b'T' | b't'))
    }
}

/// It does not answer in time.
pub(super) fn unheard() -> Error {
    Error::new(ErrorKind::TimedOut, "be heard by", "the keeper of the task")
}

fn lost(source: io::Error) -> Error {
    Error::io("talk to", "the keeper of the task", source)
}
