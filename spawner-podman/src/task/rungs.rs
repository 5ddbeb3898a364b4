//! The rungs of the ladder, for one task in a container.
//!
//! Its processes are seen, asked and ended by this host's own means where they are processes of this host, and by
//! the engine elsewhere. The container itself is removed when it is given back, once nothing runs in it any more;
//! what an earlier rung did not use of its time is at the disposal of that.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join_all, try_join_all};
use spawner_core::ladder::Progress;
use spawner_core::{
    AskScope, Error, ErrorKind, Evidence, Fate, Resource, ResourceKind, Result, Rungs, Strength,
};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout};

use super::evidence::{self, Leftover};
use super::live::Live;
use crate::engine::{Engine, Removal, Seen, Status};
use crate::local::{Local, Member};

/// How long an engine may take for one call. The ladder cuts what takes longer than there is time.
pub(super) const CALL: Duration = Duration::from_secs(10);

/// How long an engine may take to say or do something that goes without it, if less well.
const WORD: Duration = Duration::from_millis(500);

/// Who keeps tasks until they are proved gone.
pub(crate) trait Owner: Send + Sync {
    /// Everything that can be learned of this one was: it is kept no longer, and its record is closed.
    fn settled(&self, live: &Live, proof: Evidence);
}

pub(crate) struct PodmanRungs {
    owner: Arc<dyn Owner>,
    pub(super) live: Arc<Live>,
    pub(super) progress: OwnedMutexGuard<Progress>,
    /// What the last look saw, until it is settled.
    seen: Option<Evidence>,
}

impl PodmanRungs {
    /// The rungs of a task; waits for another caller to be done with them.
    pub(crate) async fn of(owner: Arc<dyn Owner>, live: Arc<Live>) -> Self {
        let progress = Arc::clone(&live.progress).lock_owned().await;
        Self { owner, live, progress, seen: None }
    }

    /// Its first process, and those of later lives where somebody started it again.
    pub(super) fn lives(&self) -> Vec<Arc<Local>> {
        let again = self.live.account.known().again.clone();
        self.live.local.iter().cloned().chain(again).collect()
    }

    pub(super) async fn engine(&self) -> Result<Engine> {
        self.live.engine(Instant::now() + CALL).await
    }

    /// Asks the engine for the container, and takes note of what it says.
    pub(super) async fn inspect(&self, engine: &Engine) -> Result<Option<Seen>> {
        let Some(seen) = self.live.inspect(engine, Instant::now() + CALL).await? else { return Ok(None) };
        self.live.account.note(&seen);
        let known = |life: &Arc<Local>| Some(life.init().pid.cast_signed()) == seen.pid && !life.has_ended();
        if !self.lives().iter().any(known)
            && let Some(life) = Local::find(&seen)
        {
            self.live.learn(|traces| traces.learn(&life));
            self.live.account.known().again.push(Arc::new(life));
        }
        Ok(Some(seen))
    }

    /// How who was alive and is no more came to an end, by how far this has come.
    pub(super) fn fate(&self) -> Fate {
        match (self.progress.escalated(), self.progress.asked()) {
            (true, _) => Fate::Killed,
            (false, true) => Fate::Terminated,
            (false, false) => Fate::Exited,
        }
    }

    /// Looks at what runs in each life; who ran before and does not now came to this end.
    pub(super) fn see(&self, lives: &[Arc<Local>], fate: Fate) -> Result<Vec<(Arc<Local>, Vec<Member>)>> {
        let mut seen = Vec::new();
        for life in lives {
            let alive = life.members().map_err(|error| self.failed("look for the processes of", error))?;
            life.roster().see(&alive, fate);
            seen.push((Arc::clone(life), alive));
        }
        Ok(seen)
    }

    pub(super) fn failed(&self, operation: &'static str, error: std::io::Error) -> Error {
        Error::io(operation, format!("container {}", self.live.container()), error)
    }

    /// The container, with its fate or as a leftover.
    pub(super) fn container(&self, end: Result<Fate, Leftover>) -> Resource {
        let name = Some(self.live.traces().name);
        Resource { name, ..evidence::thing(ResourceKind::Container, self.live.container(), end) }
    }

    pub(super) fn remedy(&self) -> String {
        self.live.by_hand(&format!("rm --force --volumes {}", self.live.container()))
    }

    pub(super) fn evidence(&self, strength: Strength, resources: Vec<Resource>) -> Evidence {
        let mechanisms = self.live.record.mechanisms.clone();
        Evidence { mechanisms, strength, total: resources.len(), resources, usage: self.live.usage() }
    }
}

#[async_trait]
impl Rungs for PodmanRungs {
    fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn ended_at(&self) -> Option<Instant> {
        self.live.exit().map(|(_, at)| at)
    }

    async fn await_empty(&mut self) -> Result<()> {
        if self.lives().is_empty() && !self.may_run().await? {
            return Ok(());
        }
        let lives = self.lives();
        if lives.is_empty() {
            return self.await_engine_s_word().await;
        }
        let asked = self.progress.asked();
        if asked && self.live.account.known().restarts {
            // Who was asked is awaited; what the engine starts in its place is not.
            let ended = |life| async move {
                Local::ended(life).await;
                Ok(())
            };
            self.each(&lives, ended).await?;
            self.remove_now().await?;
        }
        self.each(&lives, Local::emptied).await
    }

    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        let lives = self.lives();
        let resources: Vec<_> = if lives.is_empty() {
            let seen = self.inspect(&self.engine().await?).await?;
            let runs = seen.filter(|seen| seen.status.is_live());
            runs.map(|_| Resource { remedy: Some(self.remedy()), ..self.container(Ok(Fate::Survived)) })
                .into_iter()
                .collect()
        } else {
            let seen = self.see(&lives, self.fate())?;
            seen.iter().flat_map(|(_, alive)| alive).map(evidence::running).collect()
        };
        let total = resources.len();
        Ok((resources.into_iter().take(Evidence::LISTED).collect(), total))
    }

    async fn ask(&mut self, scope: AskScope) -> Result<()> {
        self.prepare().await;
        let lives = self.lives();
        self.see(&lives, Fate::Exited)?;
        let mut asked = Ok(());
        for life in &lives {
            if let Err(error) = life.ask(scope) {
                asked = Err(self.failed("ask the processes of", error));
            }
        }
        if lives.is_empty() || asked.is_err() {
            // The engine reaches the first process only; where nothing else can, that is better than nobody.
            let (engine, by) = (self.engine().await?, Instant::now() + CALL);
            if self.live.signal_by_engine(&engine, "SIGTERM", by).await? {
                return Ok(());
            }
        }
        asked
    }

    async fn force(&mut self) -> Result<()> {
        let lives = self.lives();
        let before = if self.progress.asked() { Fate::Terminated } else { Fate::Exited };
        self.see(&lives, before)?;
        // What the engine says is of use even if it comes too late for this.
        let (ended, _) = tokio::join!(join_all(lives.iter().map(|life| life.force())), self.word());
        let refused = ended.into_iter().find_map(std::result::Result::err);
        let restarts = self.live.account.known().restarts;
        if refused.is_none() && !lives.is_empty() && !restarts {
            return Ok(());
        }
        // This account may not, or cannot, or not for good: the engine may.
        self.remove_now().await?;
        let again = self.lives();
        let ended = try_join_all(again.iter().map(|life| life.force())).await;
        ended.map(drop).map_err(|error| self.failed("end the processes of", error))
    }

    async fn look(&mut self) -> Result<Evidence> {
        if let Some(proof) = self.live.proof() {
            return Ok(proof);
        }
        let evidence =
            if self.lives().is_empty() { self.look_by_engine().await? } else { self.look_here().await? };
        self.seen = Some(evidence.clone());
        Ok(evidence)
    }

    fn last_known(&mut self, why: &str) -> Evidence {
        let mut resources = Vec::new();
        for life in self.lives() {
            resources.extend(evidence::unseen(&life, why));
        }
        let why = match &self.live.account.known().trouble {
            Some(trouble) => format!("{why}; {trouble}"),
            None => why.to_owned(),
        };
        resources.push(self.container(Err(Leftover::unverified(&why, self.remedy()))));
        self.evidence(Strength::Blind, resources)
    }

    async fn release(&mut self) -> Vec<Resource> {
        let Some(mut seen) = self.seen.take().or_else(|| self.live.proof()) else { return Vec::new() };
        if self.live.proof().is_some() {
            return self.close_record();
        }
        let mut given_back = self.give_back().await;
        if !given_back.iter().any(|resource| resource.fate.is_leftover()) {
            given_back.extend(self.close_record());
        }
        if given_back.iter().any(|resource| resource.fate.is_leftover()) {
            self.seen = Some(seen);
        } else {
            seen.total += given_back.len();
            seen.resources.extend(given_back.iter().cloned());
            self.owner.settled(&self.live, seen);
        }
        given_back
    }
}

impl PodmanRungs {
    /// Whether something runs in it, as far as the engine knows; by then its processes are known, where they are of
    /// this host.
    async fn may_run(&self) -> Result<bool> {
        let seen = self.inspect(&self.engine().await?).await?;
        Ok(seen.is_some_and(|seen| seen.status.is_live()) || !self.lives().is_empty())
    }

    /// The engine tells the end of what runs elsewhere.
    async fn await_engine_s_word(&self) -> Result<()> {
        match self.engine().await?.ended(&self.live.container()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnknownTask => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits for something of each life, while those who were asked and cannot hear are made to.
    async fn each<'a, F: Future<Output = std::io::Result<()>>>(
        &self,
        lives: &'a [Arc<Local>],
        wait: impl Fn(&'a Local) -> F,
    ) -> Result<()> {
        let asked = self.progress.asked();
        let waited = try_join_all(lives.iter().map(|life| {
            let waited = wait(life);
            async move {
                tokio::select! {
                    waited = waited => waited,
                    heard = life.make_heard(), if asked => heard,
                }
            }
        }));
        waited.await.map(drop).map_err(|error| self.failed("watch the processes of", error))
    }

    /// Has the engine end and remove it.
    pub(super) async fn remove_now(&self) -> Result<()> {
        let engine = self.engine().await?;
        self.inspect(&engine).await?;
        let id = self.live.traces().id;
        // Never by its name, which somebody else's may have.
        if !id.is_empty() && engine.remove(&id, Instant::now() + CALL).await? == Removal::Removed {
            self.live.account.known().removed = true;
        }
        Ok(())
    }

    /// Asks the engine what hangs on it, for as long as that is worth waiting for.
    async fn word(&self) -> Option<(Engine, Seen)> {
        let asked = async {
            let engine = self.live.engine(Instant::now() + WORD).await?;
            let seen = self.inspect(&engine).await?;
            Ok::<_, Error>(seen.map(|seen| (engine, seen)))
        };
        match timeout(WORD, asked).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => {
                tracing::debug!(%error, "what hangs on a container is not known");
                None
            }
            Err(_) => {
                tracing::debug!("what hangs on a container is not known: the engine does not answer");
                None
            }
        }
    }

    /// Before it is asked to end: learns what hangs on it, and lets it hear, where somebody paused it.
    async fn prepare(&self) {
        let Some((engine, seen)) = self.word().await else { return };
        if seen.status == Status::Paused
            && let Err(error) = engine.unpause(&seen.id, Instant::now() + WORD).await
        {
            tracing::debug!(%error, "the engine does not thaw a container; this host's own means are used");
        }
    }
}
