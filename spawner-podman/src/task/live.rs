//! One task, as the harness knows it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spawner_core::journal::Page;
use spawner_core::ladder::Progress;
use spawner_core::{Evidence, Exit, Lifetime, Result, TaskId, TaskRecord, TaskStreams, Usage};
use tokio::time::Instant;

use super::account::Account;
use super::counters::Counters;
use crate::config::PodmanConfig;
use crate::engine::{Brand, Engine, Seen};
use crate::local::{Local, Traces};
use crate::remains::is_of;
use spawner_core::carry::{self, Flow};

/// How long an engine may take to make a container. One that was asked for, whose making nobody heard of, and that is
/// not there after that, does not come any more.
const MAKING: SignedDuration = SignedDuration::from_mins(5);

/// What the backend knows of one task.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: TaskId,
    pub(crate) record: TaskRecord,
    /// How long its streams may stay open after its end, and how long what it left behind may go on.
    pub(crate) linger: Duration,
    /// Its record, where it is on one.
    pub(crate) page: Option<Page>,
    /// Its container's init, where that is a process of this host that we can see.
    pub(crate) local: Option<Arc<Local>>,
    /// What hangs on its container, for whoever destroys it.
    pub(crate) account: Account,
    pub(crate) config: Arc<PodmanConfig>,
    /// Whether it may run out of a memory limit.
    pub(crate) limited: bool,
    /// Whether it ran on this machine, which went down since, so that no process of then is left.
    pub(crate) rebooted: bool,
    /// When its container was asked for, where nobody heard whether it was made.
    unheard: Option<Timestamp>,
    /// What the embedder has not taken yet.
    pub(crate) ends: Mutex<Option<TaskStreams>>,
    pub(crate) progress: Arc<tokio::sync::Mutex<Progress>>,
    traces: Mutex<Traces>,
    engine: tokio::sync::Mutex<Option<Engine>>,
    pub(super) memo: Mutex<Memo>,
    /// What its control groups said at its end.
    pub(super) counters: OnceLock<Counters>,
    flow: Mutex<Option<Flow>>,
}

/// What stays known.
#[derive(Debug, Default)]
pub(super) struct Memo {
    pub(super) exit: Option<(Exit, Instant)>,
    /// The evidence by which it was proved gone.
    proof: Option<Evidence>,
}

impl Live {
    /// A task that `record` describes, in the container of `traces`, which `local` is where it is of this host.
    /// Without an `engine`, the one of the traces is looked for when it is needed.
    pub(crate) fn new(
        record: TaskRecord,
        linger: Duration,
        config: Arc<PodmanConfig>,
        (traces, local, engine): (Traces, Option<Local>, Option<Engine>),
        page: Option<Page>,
    ) -> Self {
        Self {
            id: record.id,
            record,
            linger,
            page,
            local: local.map(Arc::new),
            account: Account::of(&traces),
            config,
            limited: true,
            rebooted: false,
            unheard: None,
            ends: Mutex::default(),
            progress: Arc::default(),
            traces: Mutex::new(traces),
            engine: tokio::sync::Mutex::new(engine),
            memo: Mutex::default(),
            counters: OnceLock::new(),
            flow: Mutex::default(),
        }
    }

    /// The same with the harness's ends of its streams.
    pub(crate) fn with_ends(mut self, ends: TaskStreams) -> Self {
        self.ends = Mutex::new(Some(ends));
        self
    }

    /// The same of which it is known how it ended, and by what it was proved gone.
    pub(crate) fn with_memo(mut self, exit: Option<Exit>, proof: Option<Evidence>) -> Self {
        self.memo = Mutex::new(Memo { exit: exit.map(|exit| (exit, Instant::now())), proof });
        self
    }

    /// The same that ran on this machine, which went down since.
    pub(crate) fn after_a_reboot(mut self) -> Self {
        self.rebooted = true;
        self
    }

    /// The same whose container was asked for by then, and nobody heard whether it was made.
    pub(crate) fn asked_for(mut self, at: Timestamp) -> Self {
        self.unheard = Some(at);
        self
    }

    /// Whether its container may be made yet: it was asked for, and never seen.
    pub(super) fn may_come(&self) -> bool {
        let is_recent = |at| Timestamp::now().duration_since(at) < MAKING;
        self.traces().id.is_empty() && self.unheard.is_some_and(is_recent)
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.record.lifetime == Lifetime::Detached
    }

    /// How its container is found, with and without the engine.
    pub(crate) fn traces(&self) -> Traces {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the engine knows its container by: the full id, else the name.
    pub(crate) fn container(&self) -> String {
        let traces = self.traces();
        if traces.id.is_empty() { traces.name } else { traces.id }
    }

    /// More was learned of its container.
    pub(crate) fn learn(&self, learn: impl FnOnce(&mut Traces)) {
        learn(&mut self.traces.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The engine that has its container; connects again where there was no connection.
    pub(crate) async fn engine(&self, by: Instant) -> Result<Engine> {
        let mut engine = self.engine.lock().await;
        if let Some(engine) = engine.as_ref() {
            return Ok(engine.clone());
        }
        let found = Engine::at(&self.traces().endpoint, &self.config, by).await?;
        Ok(engine.insert(found).clone())
    }

    /// Asks the engine for its container. What has its name and not its label is somebody else's.
    pub(crate) async fn inspect(&self, engine: &Engine, by: Instant) -> Result<Option<Seen>> {
        let seen = engine.inspect(&self.container(), by).await?;
        let seen = seen.filter(|seen| is_of(self.id, &seen.labels));
        if let Some(seen) = &seen {
            self.learn(|traces| traces.id.clone_from(&seen.id));
        }
        Ok(seen)
    }

    /// Sends a signal to its container's first process, by the engine; `false` where there is no container. Never by
    /// its name, which somebody else's may have.
    pub(super) async fn signal_by_engine(&self, engine: &Engine, signal: &str, by: Instant) -> Result<bool> {
        if self.traces().id.is_empty() && self.inspect(engine, by).await?.is_none() {
            return Ok(false);
        }
        engine.kill(&self.traces().id, signal, by).await.map(|()| true)
    }

    /// What a person types to have its engine do this.
    pub(crate) fn by_hand(&self, words: &str) -> String {
        // An engine that nobody has reached yet is podman, unless its socket bears another name.
        let known = self.engine.try_lock().ok().and_then(|engine| engine.as_ref().map(Engine::brand));
        let endpoint = self.traces().endpoint;
        let docker = endpoint.address.contains("docker");
        let brand = known.unwrap_or(if docker { Brand::Docker } else { Brand::Podman });
        endpoint.by_hand(brand, words)
    }

    pub(super) fn memo(&self) -> MutexGuard<'_, Memo> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The evidence by which it was proved gone, if it was.
    pub(crate) fn proof(&self) -> Option<Evidence> {
        self.memo().proof.clone()
    }

    /// Everything was proved gone.
    pub(crate) fn settle(&self, proof: Evidence) {
        let exit = self.exit();
        let mut memo = self.memo();
        memo.exit = memo.exit.clone().or(exit);
        memo.proof.get_or_insert(proof);
    }

    /// Watches for the end, so that what can be learned only then is learned then.
    pub(super) fn watch(self: &Arc<Self>) {
        let live = Arc::clone(self);
        tokio::spawn(async move { live.ended().await });
    }

    /// Our own streams and files have everything that it wrote once this is over.
    pub(super) fn flows(&self, flow: Flow) {
        *self.flow.lock().unwrap_or_else(PoisonError::into_inner) = Some(flow);
    }

    /// Waits until our own streams and files have everything that it wrote.
    pub(crate) async fn flushed(&self) {
        let flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(flow) = flow {
            carry::flushed(flow).await;
        }
    }

    /// What it used, as far as its control groups said when it ended.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.counters.get()?.usage()
    }
}
