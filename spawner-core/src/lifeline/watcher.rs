//! The harness's thread that starts the helper, and another one where it was killed.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendFlags, Shutdown, send, shutdown};
use serde::Serialize;
use tokio::sync::watch;

use super::keep::{Role, Word};
use super::{Lifeline, is_in_executable, system};
use crate::error::{Error, ErrorKind, Result};
use crate::id::TaskId;

/// How long the helper may leave its socket full before it counts as stuck, and is replaced.
const DEAF: Duration = Duration::from_millis(300);

/// How long to wait before another start, where helpers end as soon as they are started.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(5));

/// What the harness remembers for its helper.
#[derive(Debug)]
pub(super) struct State<S, C> {
    /// The process that it is about: a fork of the harness has no helper.
    owner: u32,
    role: Role,
    settings: S,
    lifeline: Option<Lifeline>,
    /// Whether the thread runs.
    watched: bool,
    closed: bool,
    pub(super) charges: BTreeMap<TaskId, C>,
    left: watch::Sender<bool>,
}

impl<S: Clone + Serialize, C: Clone + Serialize> State<S, C> {
    pub(super) fn new(role: Role, settings: S) -> (Self, watch::Receiver<bool>) {
        let (left, receiver) = watch::channel(true);
        let state = Self {
            owner: std::process::id(),
            role,
            settings,
            lifeline: None,
            watched: false,
            closed: false,
            charges: BTreeMap::new(),
            left,
        };
        (state, receiver)
    }

    pub(super) fn is_running(&self) -> bool {
        self.watched && !self.closed && self.owner == std::process::id()
    }

    /// Says something to the helper. One that does not listen is killed; the next one is told everything.
    pub(super) fn tell(&mut self, word: &Word<S, C>) {
        if self.owner != std::process::id() {
            return;
        }
        let Some(lifeline) = &mut self.lifeline else { return };
        if let Err(error) = say(&lifeline.socket, word) {
            tracing::debug!(%error, "the helper that cleans up does not listen");
            if let Err(error) = lifeline.helper.kill() {
                tracing::warn!(%error, "a stuck helper stays");
            }
        }
    }

    /// Has the helper end what it was told of.
    pub(super) fn close(&mut self) {
        if self.owner != std::process::id() || std::mem::replace(&mut self.closed, true) {
            return;
        }
        let Some(lifeline) = &mut self.lifeline else { return };
        // A stopped one would not hear it.
        if let Err(error) = lifeline.helper.resume() {
            tracing::debug!(%error, "the helper that cleans up may stay stopped");
        }
        // The thread has a copy of the socket, so that closing this one would tell nobody.
        if let Err(errno) = shutdown(&lifeline.socket, Shutdown::Write) {
            tracing::debug!(%errno, "the helper that cleans up is dead");
        }
    }

    /// Starts a helper and tells it everything; returns a copy of its socket.
    fn begin(&mut self) -> Result<OwnedFd> {
        let lifeline = super::start(self.role.name, None)?;
        let failed = |source| Error::io("talk to the helper of role", self.role.name, source);
        let copy = lifeline.socket.try_clone().map_err(failed)?;
        let all = [Word::Settings(self.settings.clone())]
            .into_iter()
            .chain(self.charges.iter().map(|(&task, charge)| Word::Keep(task, charge.clone())));
        let told = all.into_iter().try_for_each(|word| say(&lifeline.socket, &word));
        self.lifeline = Some(lifeline);
        told.map_err(failed)?;
        Ok(copy)
    }

    /// Ends and reaps the helper, where there is one.
    fn end(&mut self) {
        let Some(Lifeline { socket, mut helper }) = self.lifeline.take() else { return };
        if let Err(error) = helper.kill().and_then(|()| helper.wait(DEAF)) {
            tracing::warn!(%error, "the helper that cleans up stays a zombie");
        }
        drop(socket);
    }
}

fn lock<S, C>(state: &Mutex<State<S, C>>) -> std::sync::MutexGuard<'_, State<S, C>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread, which starts the helper; returns once the helper runs.
pub(super) fn start<S, C>(state: &Arc<Mutex<State<S, C>>>) -> Result<()>
where
    S: Clone + Serialize + Send + 'static,
    C: Clone + Serialize + Send + 'static,
{
    let role = lock(state).role;
    let failed =
        |kind, why: &'static str| Err(Error::new(kind, "start the helper of role", role.name).because(why));
    if !is_in_executable(role.hook) {
        return failed(
            ErrorKind::Unavailable,
            "this code is no part of the executable, but of a library that it has loaded",
        );
    }
    {
        let mut state = lock(state);
        if state.owner != std::process::id() {
            // What is on record there is the forking process's.
            *state = State::new(role, state.settings.clone()).0;
        }
        if state.closed {
            return failed(ErrorKind::Unavailable, "the spawner was shut down");
        }
        if std::mem::replace(&mut state.watched, true) {
            return Ok(());
        }
    }
    let (started, outcome) = mpsc::channel();
    let own = Arc::clone(state);
    let thread = std::thread::Builder::new().name(role.thread.into()).spawn(move || run(&own, &started));
    let begun = match thread {
        Ok(_) => outcome.recv().unwrap_or_else(|_| failed(ErrorKind::Lost, "its thread has panicked")),
        Err(source) => Err(Error::io("start", "the thread that watches the helper", source)),
    };
    if begun.is_err() {
        lock(state).watched = false;
    }
    begun
}

fn run<S, C>(state: &Mutex<State<S, C>>, started: &mpsc::Sender<Result<()>>)
where
    S: Clone + Serialize,
    C: Clone + Serialize,
{
    let begun = lock(state).begin();
    let mut socket = match begun {
        Ok(socket) => socket,
        Err(error) => {
            lock(state).end();
            if started.send(Err(error)).is_err() {
                tracing::debug!("nobody waits for the helper");
            }
            return;
        }
    };
    lock(state).left.send_replace(false);
    if started.send(Ok(())).is_err() {
        tracing::debug!("nobody waits for the helper");
    }
    let mut pause = PAUSE.0;
    loop {
        let since = Instant::now();
        until_hung_up(&socket);
        lock(state).end();
        socket = loop {
            if lock(state).closed {
                lock(state).left.send_replace(true);
                return;
            }
            tracing::warn!("the helper that cleans up after this process was killed; another one is started");
            // One that lived for a while was killed by somebody, not by what it was told.
            pause = if since.elapsed() > PAUSE.1 { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
            std::thread::sleep(pause);
            let mut state = lock(state);
            if state.closed {
                continue;
            }
            match state.begin() {
                Ok(socket) => break socket,
                Err(error) => {
                    tracing::warn!(%error, "tasks would outlive this process, or their records");
                    state.end();
                }
            }
        };
    }
}

/// Waits until nobody holds the other end of a socket.
fn until_hung_up(socket: &OwnedFd) {
    loop {
        // Darwin watches nothing where nothing is asked for.
        let mut polled = [PollFd::new(socket, PollFlags::HUP)];
        match poll(&mut polled, None) {
            Ok(_) if polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => return,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // Memory is short; there is nothing to do but to ask again.
            Err(_) => std::thread::sleep(PAUSE.0),
        }
    }
}

/// Writes one line, for as long as the other end may be deaf.
fn say(socket: &OwnedFd, word: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    let (deadline, mut left) = (Instant::now() + DEAF, line.as_slice());
    while !left.is_empty() {
        match send(socket, left, system::QUIETLY | SendFlags::DONTWAIT) {
            Ok(sent) => left = &left[sent..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let patience = deadline.saturating_duration_since(Instant::now());
                if patience.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                let timeout = Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
                poll(&mut [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::OUT)], Some(&timeout))?;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
