//! The rungs of the ladder, for one task.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::Signal;
use spawner_core::ladder::Progress;
use spawner_core::processes::Entry;
use spawner_core::{
    AskScope, Error, ErrorKind, Evidence, Mechanism, Resource, Result, Rungs, Strength, exits,
};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::backend::Shared;
use super::evidence;
use super::live::{Live, await_notice};

/// How long the end of one member is waited for before it is looked again: others may have been made.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) struct GroupRungs {
    pub(super) shared: Arc<Shared>,
    pub(super) live: Arc<Live>,
    pub(super) progress: OwnedMutexGuard<Progress>,
    /// What the last look saw, until it is settled.
    pub(super) seen: Option<Evidence>,
}

impl GroupRungs {
    /// Looks, on a thread where that may take its time.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Live) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let live = Arc::clone(&self.live);
        let failed =
            |source| Error::io("look for the processes of", format!("task {}", self.live.id), source);
        let done = tokio::task::spawn_blocking(move || work(&live)).await;
        done.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)
    }

    /// Waits until one of those that were seen has ended, for a while.
    async fn await_one(living: &[Entry]) {
        if let Some(first) = living.first() {
            await_notice(exits::notice(first.pid), LOOK_AGAIN).await;
        }
    }

    fn evidence(&self, strength: Strength, resources: Vec<Resource>) -> Evidence {
        Evidence {
            mechanisms: vec![Mechanism::ProcessGroup],
            strength,
            total: resources.len(),
            resources,
            usage: self.live.usage(),
        }
    }
}

#[async_trait]
impl Rungs for GroupRungs {
    fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn ended_at(&self) -> Option<Instant> {
        self.live.exit().map(|(_, at)| at)
    }

    async fn await_empty(&mut self) -> Result<()> {
        if self.live.settled().is_some() {
            return Ok(());
        }
        loop {
            let forced = self.progress.escalated();
            let living = self.on_thread(move |live| if forced { live.strike() } else { live.look() }).await?;
            if living.is_empty() {
                return Ok(());
            }
            Self::await_one(&living).await;
        }
    }

    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        if self.live.settled().is_some() {
            return Ok((Vec::new(), 0));
        }
        let living = self.on_thread(Live::look).await?;
        let mut members = evidence::of_living(&self.live.herd(), &living);
        let total = members.len();
        members.truncate(Evidence::LISTED);
        Ok((members, total))
    }

    async fn ask(&mut self, scope: AskScope) -> Result<()> {
        if scope == AskScope::All {
            return self.on_thread(|live| live.look_and(&[Signal::TERM, Signal::CONT])).await.map(drop);
        }
        for signal in [Signal::TERM, Signal::CONT] {
            match self.live.signal(signal) {
                None => return Ok(()),
                Some(sent) => sent.map_err(|error| {
                    Error::new(ErrorKind::Denied, "ask to end", format!("task {}", self.live.id))
                        .because(error)
                })?,
            }
        }
        self.live.asked_leader();
        Ok(())
    }

    async fn force(&mut self) -> Result<()> {
        loop {
            let living = self.on_thread(Live::strike).await?;
            if living.is_empty() {
                return Ok(());
            }
            Self::await_one(&living).await;
        }
    }

    async fn look(&mut self) -> Result<Evidence> {
        if let Some(seen) = self.live.settled() {
            return Ok(seen);
        }
        let living = self.on_thread(Live::look).await?;
        if living.is_empty() {
            self.live.reap();
        }
        let resources = evidence::of_herd(&self.live.herd(), &living, self.progress.escalated());
        let evidence = self.evidence(Strength::MayMiss, resources);
        self.seen = Some(evidence.clone());
        Ok(evidence)
    }

    fn last_known(&mut self, why: &str) -> Evidence {
        let resources = evidence::unverified(&self.live.herd(), why);
        self.evidence(Strength::Blind, resources)
    }

    async fn release(&mut self) -> Vec<Resource> {
        let Some(seen) = self.seen.take() else { return Vec::new() };
        let left = self.live.page.as_ref().and_then(|page| page.leftover(page.close()));
        if let Some(record) = left {
            self.seen = Some(seen);
            return vec![record];
        }
        // Looking again could not tell more: nothing is left by which anything would be found.
        self.live.settle(seen);
        self.shared.forget(self.live.id);
        Vec::new()
    }
}
