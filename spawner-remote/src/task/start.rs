//! The start of a task: record, session, guardian, streams. Each step can fail, be cut off or cancelled; what was made by
//! then is ended.

mod on_record;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spawner_core::carry::{self, Opened};
use spawner_core::journal::Page;
use spawner_core::{
    CleanupOutcome, Error, ErrorKind, Lifetime, Output, Result, Spawner as _, StartGuard, Task, TaskRecord,
    TaskSpec, Teardown,
};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::time::timeout;

use super::asked::Asked;
use super::live::{Live, Traces};
use super::refusal::fits;
use super::streams::Carrier;
use crate::backend::{RemoteSpawner, Shared};
use crate::command::{GuardianCommand, Started as Ordered};
use crate::declared::Means;
use crate::hosts::{Slot, Turn};
use crate::lock::lock;
use crate::session::{Connection, Ear, Host, SHELL, Session, Started, is_refused, until_mark};

/// How long the far end may take to start a task, once there is a place for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long at most a task may take to end after it was asked, where its harness is dead or silent: the far end is to be
/// clean soon after the lease.
pub(super) const ORPHAN: Duration = Duration::from_millis(500);

/// How long a lost connection may be unnoticed.
const NOTICE: Duration = Duration::from_millis(500);

/// How long an abandoned start is given to come to something, so that it can be ended by name.
const BIRTH: Duration = Duration::from_secs(5);

impl RemoteSpawner {
    pub(crate) async fn start(&self, spec: &TaskSpec) -> Result<Task> {
        let shared = &self.shared;
        let detached = spec.lifetime == Lifetime::Detached;
        if detached && [&spec.stdout, &spec.stderr].iter().any(|to| matches!(to, Output::File { .. })) {
            return Err(Error::new(ErrorKind::InvalidSpec, "start the task", "").because(
                "it is detached on another machine, where its output can be kept or thrown away, not go to a file here",
            ));
        }
        fits(spec)?;
        match self.start_over(spec, shared.hosts.turn(detached).await?).await {
            // The connection was lost without anybody's notice until it was used; nothing had begun.
            Err((error, false)) if error.kind() == ErrorKind::Lost && error.cleanup().is_none() => {
                tracing::debug!(%error, "a task is started over another connection");
                let again = self.start_over(spec, shared.hosts.turn(detached).await?).await;
                again.map_err(|(error, _)| error)
            }
            other => other.map_err(|(error, _)| error),
        }
    }

    /// Starts it on this host; else the error, and whether the far end was asked for it.
    async fn start_over(&self, spec: &TaskSpec, turn: Turn) -> Result<Task, (Error, bool)> {
        let shared = &self.shared;
        let unasked = |error| (error, false);
        let link = &turn.link;
        let opened = carry::open(spec).map_err(unasked)?;
        shared.learn(&link.facts);
        let means = Means::choose(&link.facts, shared.config.require).map_err(unasked)?;
        let birth = Birth::prepare(shared, turn, means, spec).map_err(unasked)?;
        let undo = Arc::clone(&birth);
        let guard = StartGuard::new(&shared.ledger, move || undo.undo());
        self.sweep_aside(birth.record.id);
        match birth.give(spec, opened).await {
            Ok(task) => {
                guard.succeed();
                Ok(task)
            }
            Err(error) => {
                let error = guard.fail(error).await;
                Err((error, birth.asked.is_settled()))
            }
        }
    }
}

/// A task that is being made.
pub(super) struct Birth {
    shared: Arc<Shared>,
    host: Arc<Host>,
    link: Arc<Connection>,
    /// Its right to be on that host, as long as nobody else has it.
    slot: Mutex<Option<Slot>>,
    means: Means,
    pub(super) record: TaskRecord,
    pub(super) traces: Traces,
    linger: Duration,
    pub(super) cwd: Option<PathBuf>,
    page: Option<Page>,
    ear: Ear,
    asked: Asked,
    /// Its session, as long as nobody else has it.
    session: Mutex<Option<Session>>,
}

impl Birth {
    async fn give(self: &Arc<Self>, spec: &TaskSpec, opened: Opened) -> Result<Task> {
        let detached = spec.lifetime == Lifetime::Detached;
        let order = self.order(spec);
        let started = loop {
            let session = self.link.session(&order.text).await?;
            // It goes on where nobody waits for it any more: what was asked for cannot be called back.
            let runtime = self.host.runtime()?;
            let begun = runtime.spawn(Arc::clone(self).begin(session, order.words.clone()));
            match timeout(PATIENCE, begun).await {
                Ok(Ok(Ok(Some(started)))) => break started,
                Ok(Ok(Ok(None))) => {}
                Ok(Ok(Err(error))) => return Err(error),
                Ok(Err(error)) => return Err(self.failed(ErrorKind::Lost, error.to_string())),
                Err(_) => return Err(self.failed(ErrorKind::TimedOut, "it did not start in time")),
            }
        };
        let (record, traces) = self.born(&started);
        let (carrier, mut ends, embedder) = Carrier::of(opened);
        let Some(session) = lock(&self.session).take() else {
            return Err(self.failed(ErrorKind::Lost, "its session is gone"));
        };
        let Session { mut child, stdin, stdout, stderr, place } = session;
        let mut stdin: Option<ChildStdin> = Some(stdin);
        if embedder {
            ends.stdin = stdin.take().map(|stdin| Box::new(stdin) as _);
        }
        let host = (Arc::clone(&self.host), Arc::clone(&self.ear));
        let link = Some(Arc::clone(&self.link));
        let live = Live::new(record.clone(), self.linger, self.page.clone(), traces, host, link);
        let live = Arc::new(live.with_ends(ends).with_slot(lock(&self.slot).take()));
        let mut closing = live.closing.subscribe();
        let mut flow = None;
        if !detached {
            let (under_way, files) = carrier.start(&live, stdin, stdout, stderr);
            flow = Some(under_way.clone());
            if files {
                live.flows(under_way.clone());
                self.shared.flows.add(under_way);
            }
        }
        self.host.spawn(async move {
            let settled = tokio::select! {
                _ = child.wait() => false,
                settled = closing.wait_for(|closing| *closing) => settled.is_ok(),
            };
            if settled {
                if let Some(flow) = flow {
                    carry::flushed(flow).await;
                }
                if let Err(error) = child.kill().await {
                    tracing::warn!(%error, "the ssh program cannot be ended");
                }
            }
            drop(place);
        });
        live.watch(Arc::clone(&self.link));
        Ok(self.shared.tasks.enter(record, live))
    }

    fn order(&self, spec: &TaskSpec) -> Ordered {
        let facts = &self.link.facts;
        let keep = facts.folder.as_deref().filter(|_| spec.lifetime == Lifetime::Detached);
        GuardianCommand {
            shell: SHELL,
            id: self.record.id,
            agent: &self.link.agent,
            facts,
            argv: &spec.argv,
            env: &spec.env.changes,
            cwd: spec.cwd.as_deref(),
            grace: spec.teardown.grace.min(ORPHAN),
            deadline: spec.teardown.deadline,
            keep,
            mechanisms: self.means.used(),
        }
        .start()
    }

    /// Waits until it has begun; `None` where the server takes no more sessions.
    async fn begin(self: Arc<Self>, mut session: Session, words: Vec<u8>) -> Result<Option<Started>> {
        let name = self.record.id.to_string();
        let detached = self.record.lifetime == Lifetime::Detached;
        let (mut noise, mut complaint) = (Vec::new(), Vec::new());
        let marked = async {
            let (out, err) = tokio::join!(until_mark(&mut session.stdout, &name, &mut noise), async {
                if detached { Ok(()) } else { until_mark(&mut session.stderr, &name, &mut complaint).await }
            });
            out.and(err)
        };
        let marked = tokio::select! {
            marked = marked => marked.is_ok(),
            _ = self.link.ended() => return Err(self.link.lost()),
            () = self.link.silence() => return Err(self.link.silent()),
        };
        if marked {
            if !self.asked.may_be() {
                return Err(self.failed(ErrorKind::Lost, "nobody wants it any more"));
            }
            self.note_asked()?;
            let sent = session.stdin.write_all(&words).await;
            sent.map_err(|source| Error::io("send the task to", &*self.traces.address.destination, source))?;
        } else if self.ear.borrow().started.is_none() {
            if detached {
                // It ends with the session, and has no mark; what was said is what counts.
                drop(until_mark(&mut session.stderr, &name, &mut complaint).await);
            }
            let said = String::from_utf8_lossy(&complaint).into_owned();
            if is_refused(&said) {
                session.place.refuse();
                return Ok(None);
            }
            if !self.link.is_up() {
                return Err(self.link.lost());
            }
            let said = said.trim().lines().last().unwrap_or("its shell ended before it began").to_owned();
            let error = self.failed(ErrorKind::Unavailable, said);
            // A connection whose program was killed is known to be lost a moment later.
            let ended = timeout(NOTICE, self.link.ended()).await.is_ok();
            return Err(if ended { self.link.lost() } else { error });
        }
        *lock(&self.session) = Some(session);
        let mut ear = self.ear.subscribe();
        let heard = tokio::select! {
            biased;
            heard = ear.wait_for(|heard| heard.started.is_some()) => heard.ok().and_then(|heard| heard.started.clone()),
            _ = self.link.ended() => return Err(self.link.lost()),
        };
        match heard {
            Some(Ok(started)) => Ok(Some(started)),
            Some(Err(why)) => Err(self.refusal(why)),
            None => Err(self.failed(ErrorKind::Lost, "nobody said whether it began")),
        }
    }

    /// Ends what came of a start.
    async fn undo(self: Arc<Self>) -> Option<CleanupOutcome> {
        let asked = self.asked.is_settled();
        if asked {
            // It was under way: what comes of it is known in a moment, and can be ended by its name then.
            let mut ear = self.ear.subscribe();
            tokio::select! {
                waited = timeout(BIRTH, ear.wait_for(|heard| heard.started.is_some())) => drop(waited),
                _ = self.link.ended() => {}
            }
        }
        let started = self.ear.borrow().started.clone();
        let (record, traces) = match (&started, asked) {
            (Some(Err(_)), _) | (None, false) => {
                self.discard();
                return None;
            }
            (Some(Ok(started)), _) => self.born(started),
            (None, true) => (self.record.clone(), self.traces.clone()),
        };
        let host = (Arc::clone(&self.host), Arc::clone(&self.ear));
        let link = started.is_some().then(|| Arc::clone(&self.link));
        let live = Live::new(record.clone(), self.linger, self.page.clone(), traces, host, link);
        let live = Arc::new(live.with_slot(lock(&self.slot).take()));
        let task = self.shared.tasks.enter(record, live);
        let spawner = RemoteSpawner::borrowing(&self.shared);
        Some(spawner.destroy_task(&task, &Teardown::at_once()).await)
    }
}

#[cfg(test)]
mod simulation;
