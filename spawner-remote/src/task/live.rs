//! One task, as the harness knows it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spawner_core::journal::{Note, Page};
use spawner_core::ladder::Progress;
use spawner_core::{
    Evidence, Exit, Fate, Lifetime, Mechanism, ProcessIdentity, TaskId, TaskRecord, TaskStreams,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::roster::{Entry, note};
use crate::hosts::Slot;
use crate::lock::lock;
use crate::said::Member;
use crate::session::{Address, Connection, Ear, Heard, Host, Started};
use spawner_core::carry::{self, Flow};

/// How often a guardian is asked whether it is there, since who is killed says nothing.
const PULSE: Duration = Duration::from_secs(2);

/// The same where it tells another harness how its task ended.
const PULSE_OF_TAKEN: Duration = Duration::from_millis(250);

/// What is needed to find a task again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Traces {
    pub(crate) address: Address,
    /// The kernel's id of the boot there, and when that was.
    pub(crate) boot: String,
    pub(crate) came_up: i64,
    pub(crate) guardian: (u32, u64),
    pub(crate) pipe: String,
    pub(crate) group: Option<String>,
}

/// What the backend knows of one task.
pub(crate) struct Live {
    pub(crate) id: TaskId,
    pub(crate) record: TaskRecord,
    pub(crate) linger: Duration,
    /// Its record, where it is on one.
    pub(crate) page: Option<Page>,
    pub(crate) traces: Traces,
    pub(crate) host: Arc<Host>,
    /// Its right to be there, as long as anything of it may be.
    slot: Mutex<Option<Slot>>,
    pub(crate) ear: Ear,
    /// Whether it was started by us, and hears us since.
    pub(crate) own: bool,
    /// Whether it is of another harness, which lives.
    pub(crate) is_anothers: bool,
    pub(crate) ends: Mutex<Option<TaskStreams>>,
    pub(crate) progress: Arc<tokio::sync::Mutex<Progress>>,
    /// Held by who asks the agent, whose answers do not say which question they answer.
    pub(super) asking: tokio::sync::Mutex<()>,
    pub(super) link: Mutex<Option<Arc<Connection>>>,
    pub(super) roster: Mutex<Vec<Entry>>,
    proof: Mutex<Option<Evidence>>,
    flow: Mutex<Option<Flow>>,
    /// Ends its session.
    pub(super) closing: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn new(
        record: TaskRecord,
        linger: Duration,
        page: Option<Page>,
        traces: Traces,
        (host, ear): (Arc<Host>, Ear),
        link: Option<Arc<Connection>>,
    ) -> Self {
        let leader = record.leader.as_ref().filter(|leader| leader.pid != 0);
        let roster = leader.map(|leader| Entry {
            member: Member { pid: leader.pid, start: leader.start_time, state: '?', name: name_of(&record) },
            fate: None,
        });
        Self {
            id: record.id,
            record,
            linger,
            page,
            traces,
            host,
            slot: Mutex::default(),
            ear,
            own: link.is_some(),
            is_anothers: false,
            ends: Mutex::default(),
            progress: Arc::default(),
            asking: tokio::sync::Mutex::default(),
            link: Mutex::new(link),
            roster: Mutex::new(roster.into_iter().collect()),
            proof: Mutex::default(),
            flow: Mutex::default(),
            closing: watch::Sender::new(false),
        }
    }

    pub(crate) fn with_ends(self, ends: TaskStreams) -> Self {
        *lock(&self.ends) = Some(ends);
        self
    }

    pub(crate) fn with_slot(self, slot: Option<Slot>) -> Self {
        *lock(&self.slot) = slot;
        self
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.record.lifetime == Lifetime::Detached
    }

    pub(crate) fn started(&self) -> Option<Started> {
        self.ear.borrow().started.clone().and_then(Result::ok)
    }

    pub(crate) fn leader(&self) -> Option<ProcessIdentity> {
        self.record.leader.clone()
    }

    /// How its main process ended, if that was heard.
    pub(crate) fn exit(&self) -> Option<(Exit, Instant)> {
        self.ear.borrow().exit.clone()
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.ear.borrow().exit, Some((Exit::Lost { .. }, _)))
    }

    /// Whether its main process is known to have ended: who lost it knows nothing of the kind.
    pub(crate) fn has_ended(&self) -> bool {
        self.exit().is_some() && !self.is_lost()
    }

    pub(crate) fn lose(&self, why: &str) {
        self.ear.send_modify(|heard| heard.ended(Exit::Lost { why: why.to_owned() }));
    }

    /// The evidence by which it was proved gone, if it was.
    pub(crate) fn proof(&self) -> Option<Evidence> {
        lock(&self.proof).clone()
    }

    pub(crate) fn settle(&self, proof: Evidence) {
        lock(&self.proof).get_or_insert(proof);
        self.part();
    }

    /// Nothing more is to be heard of it.
    pub(crate) fn part(&self) {
        if let Some(link) = lock(&self.link).as_ref() {
            link.forget(self.id);
        }
        if self.exit().is_none() {
            self.lose("everything of it is gone, and nobody heard how it ended");
        }
        self.closing.send_replace(true);
        self.give_back();
    }

    /// Another task may be on its host in its place.
    pub(crate) fn give_back(&self) {
        let slot = lock(&self.slot).take();
        drop(slot);
    }

    pub(super) fn flows(&self, flow: Flow) {
        *lock(&self.flow) = Some(flow);
    }

    /// Waits until our own streams and files have everything that it wrote.
    pub(crate) async fn flushed(&self) {
        let flow = lock(&self.flow).clone();
        if let Some(flow) = flow {
            carry::flushed(flow).await;
        }
    }

    /// Waits for what is heard to be so.
    pub(crate) async fn hears(&self, wanted: impl Fn(&Heard) -> bool) {
        let mut ear = self.ear.subscribe();
        // The sender is ours.
        if ear.wait_for(|heard| wanted(heard)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the end of the main process. Repeatable, and cancel-safe.
    pub(crate) async fn ended(&self) -> (Exit, Instant) {
        loop {
            if let Some(known) = self.exit() {
                return known;
            }
            self.hears(|heard| heard.exit.is_some()).await;
        }
    }

    /// Watches for the end over this connection, until either of them ends.
    pub(crate) fn watch(self: &Arc<Self>, mut link: Arc<Connection>) {
        let live = Arc::clone(self);
        self.host.spawn(async move {
            let over = |heard: &Heard| heard.exit.is_some() || heard.gone.is_some() || heard.deaf;
            loop {
                let pulse = if live.ear.borrow().taken.is_some() { PULSE_OF_TAKEN } else { PULSE };
                tokio::select! {
                    () = live.hears(over) => break,
                    why = link.ended() => {
                        // Whoever destroys it may have gone another way.
                        let other = lock(&live.link).clone().filter(|other| other.is_up());
                        if let Some(other) = other {
                            link = other;
                            continue;
                        }
                        if live.is_detached() {
                            return live.seek().await;
                        }
                        let host = &live.traces.address.destination;
                        live.lose(&format!("the connection to {host} ended: {why}"));
                        return;
                    }
                    () = sleep(pulse) => {
                        if let Some(words) = live.to_guardian("there?")
                            && let Err(error) = link.tell(words) {
                            tracing::debug!(%error, "a guardian cannot be asked");
                        }
                    }
                }
            }
            // Another harness may have taken it, and heard its end.
            if live.exit().is_none()
                && let Err(error) = live.read_kept(&link).await
            {
                tracing::debug!(%error, "what became of a task cannot be read");
            }
            if live.exit().is_none() {
                live.lose("the process that guarded it on the far end is gone");
            }
            live.note_end();
        });
    }

    /// Words for its guardian, by the agent.
    pub(crate) fn to_guardian(&self, words: &str) -> Option<String> {
        let Started { guardian: (pid, start), pipe, .. } = self.started()?;
        Some(format!("to {pid} {start} {pipe} {words}"))
    }

    /// Words that have it ended by force: its guardian ends it, which the agent helps by having its control group stand still.
    pub(crate) fn to_force(&self) -> Vec<String> {
        let Some(Started { guardian: (pid, start), .. }) = self.started() else { return Vec::new() };
        let halt = self.traces.group.as_ref().map(|group| format!("halt {pid} {start} {group}"));
        self.to_guardian("force").into_iter().chain(halt).collect()
    }

    /// Words by which the agent looks for it without its guardian.
    pub(crate) fn to_agent(&self, word: &str) -> String {
        let (leader, began) = self.leader().map_or((0, 0), |leader| (leader.pid, leader.start_time));
        let Traces { boot, guardian: (guardian, born), group, .. } = &self.traces;
        let boot = if boot.is_empty() { "-" } else { boot };
        let group = group.as_deref().unwrap_or("-");
        format!("{word} {} {boot} {leader} {began} {guardian} {born} {group}", self.id)
    }

    pub(super) fn note_end(&self) {
        let Some((exit, _)) = self.exit() else { return };
        let is_lasting = self.is_detached() && !matches!(exit, Exit::Lost { .. });
        if let Some(page) = self.page.as_ref().filter(|_| is_lasting) {
            let note = Note::Ended { exit, at: jiff::Timestamp::now().to_string() };
            if let Err(error) = page.note(&note) {
                tracing::warn!(%error, "the record does not say how the task ended");
            }
        }
    }

    pub(super) fn mechanisms(&self) -> Vec<Mechanism> {
        self.record.mechanisms.clone()
    }

    /// Where its main process is known to have ended by now, that is how; else it would get the fate of who is ended later.
    pub(super) fn see_leader_end(&self, fate: Fate) {
        let Some(leader) = self.leader().filter(|_| self.has_ended()) else { return };
        let mut roster = lock(&self.roster);
        let is_leader = |entry: &&mut Entry| {
            entry.fate.is_none() && (entry.member.pid, entry.member.start) == (leader.pid, leader.start_time)
        };
        if let Some(entry) = roster.iter_mut().find(is_leader) {
            entry.fate = Some(fate);
        }
    }

    /// These run now, of so many; who ran before and does not came to this end.
    pub(super) fn see(&self, alive: &[Member], count: usize, fate: Fate) {
        note(&mut lock(&self.roster), alive, count, fate);
    }
}

fn name_of(record: &TaskRecord) -> String {
    let program = record.argv.first().map(|program| program.to_string_lossy().into_owned());
    let program = program.unwrap_or_default();
    program.rsplit('/').next().unwrap_or_default().to_owned()
}
