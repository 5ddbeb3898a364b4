//! One task, as the harness knows it.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use spawner_core::journal::Page;
use spawner_core::ladder::Progress;
use spawner_core::processes::Entry;
use spawner_core::{Evidence, Exit, ProcessIdentity, TaskId, TaskRecord, Usage, exits};
use tokio::io::Interest;
use tokio::time::{Instant, timeout};

use super::herd::Herd;
use super::{child, look, strike};
use crate::unix::ready;
use crate::unix::stdio::Ends;
use crate::unix::streams::Over;

/// How long a notice of an exit is waited for before it is looked again: it may be about another who got the pid.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What the backend knows of one task.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) id: TaskId,
    pub(super) leader: Option<ProcessIdentity>,
    pub(super) linger: Duration,
    /// Its record, where it is on one.
    pub(super) page: Option<Page>,
    pub(super) ends: Mutex<Option<Ends>>,
    pub(super) progress: Arc<tokio::sync::Mutex<Progress>>,
    herd: Mutex<Herd>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The main process, where it is this harness's own child and has not been reaped.
    unreaped: Option<Pid>,
    exit: Option<(Exit, Instant)>,
    usage: Option<Usage>,
    /// The last evidence, by which the task was given up: nothing of it was seen any more.
    settled: Option<Evidence>,
}

impl Live {
    /// A task that `record` describes; its main process is this harness's own child where `own`.
    pub(super) fn new(record: &TaskRecord, linger: Duration, page: Option<Page>, own: bool) -> Self {
        let program = record.argv.first().map(OsString::as_os_str).unwrap_or_default();
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
        let mut herd = Herd::default();
        if let Some(leader) = &record.leader {
            herd.add((leader.pid, leader.start_time), name);
        }
        let leader_pid = record.leader.as_ref().and_then(|leader| Pid::from_raw(leader.pid.cast_signed()));
        Self {
            id: record.id,
            leader: record.leader.clone(),
            linger,
            page,
            ends: Mutex::default(),
            progress: Arc::default(),
            herd: Mutex::new(herd),
            state: Mutex::new(State { unreaped: leader_pid.filter(|_| own), ..State::default() }),
        }
    }

    /// The same with the harness's ends of its streams.
    pub(super) fn with_ends(mut self, ends: Ends) -> Self {
        self.ends = Mutex::new(Some(ends));
        self
    }

    /// The same of which it is known that it is gone.
    pub(super) fn with_proof(self, exit: Exit, proof: Evidence) -> Self {
        let mut state = self.state();
        state.exit = Some((exit, Instant::now()));
        state.settled = Some(proof);
        drop(state);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn herd(&self) -> MutexGuard<'_, Herd> {
        self.herd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settled(&self) -> Option<Evidence> {
        self.state().settled.clone()
    }

    pub(super) fn settle(&self, seen: Evidence) {
        self.state().settled.get_or_insert(seen);
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        self.state().usage
    }

    /// How the main process ended, if it did.
    pub(super) fn exit(&self) -> Option<(Exit, Instant)> {
        let mut state = self.state();
        if state.exit.is_none() {
            let exit = match state.unreaped {
                Some(pid) => child::ended(pid),
                None => self.leader.as_ref().is_none_or(|leader| !leader.is_alive()).then(|| Exit::Lost {
                    why: "it was not this harness's child, so that nobody here saw how it ended".to_owned(),
                }),
            };
            state.exit = exit.map(|exit| (exit, Instant::now()));
        }
        state.exit.clone()
    }

    /// Waits for the end of the main process.
    pub(super) async fn ended(&self) -> (Exit, Instant) {
        loop {
            // In this order: one that ends in between is noticed at once.
            let notice = self.leader.as_ref().map(|leader| exits::notice(leader.pid));
            if let Some(exit) = self.exit() {
                return exit;
            }
            await_notice(notice.unwrap_or(Ok(None)), LOOK_AGAIN).await;
        }
    }

    /// Comes when the main process has ended and the linger is over.
    pub(super) fn over(self: &Arc<Self>) -> Over {
        let live = Arc::clone(self);
        Box::pin(async move {
            let (_, ended_at) = live.ended().await;
            tokio::time::sleep_until(ended_at + live.linger).await;
        })
    }

    /// Sends the main process a signal; `None` where it has ended.
    pub(super) fn signal(&self, signal: Signal) -> Option<io::Result<()>> {
        if self.exit().is_some() {
            return None;
        }
        // Held, so that nobody reaps it meanwhile: its pid is its own for as long.
        let state = self.state();
        let leader = self.leader.as_ref().filter(|leader| state.unreaped.is_some() || leader.is_alive())?;
        let pid = Pid::from_raw(leader.pid.cast_signed())?;
        Some(rustix::process::kill_process(pid, signal).map_err(io::Error::from))
    }

    /// Looks who runs of it now. Blocks for as long as it takes to read the process table.
    pub(super) fn look(&self) -> io::Result<Vec<Entry>> {
        self.look_and(&[])
    }

    /// Looks, and sends the signals to whom it finds.
    pub(super) fn look_and(&self, signals: &[Signal]) -> io::Result<Vec<Entry>> {
        let mut herd = self.herd();
        let unreaped = self.state().unreaped.is_some();
        let living = look::look(&mut herd, self.id, self.leader.as_ref(), unreaped)?;
        strike::signal(&mut herd, &living, signals);
        Ok(living)
    }

    /// Kills whom it finds, and the process group before that; says who that was.
    pub(super) fn strike(&self) -> io::Result<Vec<Entry>> {
        // Whom the group's end takes along is to be known by name.
        let seen = self.look()?;
        {
            // Held, so that nobody reaps it meanwhile.
            let state = self.state();
            if let Some(unreaped) = state.unreaped {
                strike::kill_group(unreaped);
                let mut herd = self.herd();
                for entry in
                    seen.iter().filter(|entry| entry.group == unreaped.as_raw_nonzero().get().cast_unsigned())
                {
                    if let Some(member) = herd.member(entry) {
                        member.struck = true;
                    }
                }
            }
        }
        self.look_and(&[Signal::KILL])
    }

    /// The main process was asked to end.
    pub(super) fn asked_leader(&self) {
        if let Some(leader) = &self.leader {
            self.herd().note_asked((leader.pid, leader.start_time));
        }
    }

    /// Reaps the main process, where that has ended. From then on its pid, its session and its group may be another's; so it
    /// is done once nothing of the task was seen any more.
    pub(super) fn reap(&self) {
        if self.exit().is_none() {
            return;
        }
        let mut state = self.state();
        if let Some(pid) = state.unreaped.take() {
            state.usage = child::reap(pid);
        }
    }
}

/// Waits for a notice, for at most `patience`.
pub(super) async fn await_notice(notice: io::Result<Option<std::os::fd::OwnedFd>>, patience: Duration) {
    const SOON: Duration = Duration::from_millis(2);
    let watched = match notice {
        Ok(Some(notice)) => ready::watch(Arc::new(notice), Interest::READABLE),
        // It has ended, and is about to be reaped.
        Ok(None) => return tokio::time::sleep(SOON).await,
        Err(error) => Err(error),
    };
    match watched {
        // Whatever comes of it, the caller looks again.
        Ok(watched) => drop(timeout(patience, watched.readable()).await),
        Err(error) => {
            tracing::debug!(%error, "there is no notice of an exit; it is looked again and again");
            tokio::time::sleep(patience.min(Duration::from_millis(50))).await;
        }
    }
}
