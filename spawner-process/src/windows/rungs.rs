//! The rungs of the ladder, for one task of this machine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::ladder::Progress;
use spawner_core::{
    AskScope, Error, ErrorKind, Evidence, Fate, Resource, ResourceKind, Result, Rungs, Strength,
};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout};

use super::KILLED;
use super::ask;
use super::backend::Shared;
use super::live::Live;

/// How long after a blow it is struck again, where somebody is left.
const AGAIN: Duration = Duration::from_millis(20);

pub(super) struct ProcessRungs {
    pub(super) shared: Arc<Shared>,
    pub(super) live: Arc<Live>,
    pub(super) progress: OwnedMutexGuard<Progress>,
    /// What the last look saw, until it is settled.
    pub(super) seen: Option<Evidence>,
}

impl ProcessRungs {
    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> Error {
        let subject = format!("the job of task {}", self.live.id);
        move |source| Error::io(operation, subject, source)
    }

    /// How those ended that are found to have ended now.
    fn fate(&self) -> Fate {
        match (self.progress.escalated(), self.progress.asked()) {
            (true, _) => Fate::Killed,
            (false, true) => Fate::Terminated,
            (false, false) if self.live.is_own() => Fate::Exited,
            (false, false) => Fate::AlreadyGone,
        }
    }
}

#[async_trait]
impl Rungs for ProcessRungs {
    fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn ended_at(&self) -> Option<Instant> {
        self.live.exit().map(|(_, at)| at)
    }

    async fn await_empty(&mut self) -> Result<()> {
        self.live.emptied().await.map_err(self.failed("watch"))
    }

    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        let Some(job) = &self.live.job else { return Ok((Vec::new(), 0)) };
        let mut roster = self.live.roster();
        roster.note_ended(job, Fate::Exited).map_err(self.failed("look into"))?;
        let total = roster.look(job).map_err(self.failed("look into"))?;
        Ok((roster.resources_running(), total))
    }

    async fn ask(&mut self, scope: AskScope) -> Result<()> {
        let Some(job) = &self.live.job else { return Ok(()) };
        let running: Vec<_> = {
            let mut roster = self.live.roster();
            roster.note_ended(job, Fate::Exited).map_err(self.failed("look into"))?;
            roster.look(job).map_err(self.failed("look into"))?;
            roster.running().cloned().collect()
        };
        let leader = self.live.leader.as_ref().map(|leader| leader.pid());
        let addressed: Vec<_> = match scope {
            AskScope::All => running,
            AskScope::Leader => running.into_iter().filter(|member| Some(member.pid()) == leader).collect(),
        };
        let pressed = match leader {
            Some(group) => {
                let pids: Vec<u32> = addressed.iter().map(|member| member.pid()).collect();
                ask::press_break(group, &pids)
            }
            None => {
                Err(io::Error::other("the main process, whose number the console's group bears, is gone"))
            }
        };
        // After that, since it may take long.
        let closed = ask::close_windows(addressed).await;
        match (pressed, closed) {
            (Ok(()), _) => Ok(()),
            (Err(_), Ok(windows)) if windows > 0 => Ok(()),
            (Err(error), _) => {
                Err(Error::new(ErrorKind::Unavailable, "ask", format!("task {}", self.live.id))
                    .because(format!("{error}, and nobody of the task has a window")))
            }
        }
    }

    async fn force(&mut self) -> Result<()> {
        let Some(job) = &self.live.job else { return Ok(()) };
        {
            let mut roster = self.live.roster();
            let so_far = if self.progress.asked() { Fate::Terminated } else { Fate::Exited };
            // For their names only; what makes new ones without pause is struck whoever is known by then.
            if let Err(error) = roster.note_ended(job, so_far).and_then(|()| roster.look(job)) {
                tracing::debug!(%error, "they are ended without being known by name");
            }
        }
        loop {
            job.terminate(KILLED).map_err(self.failed("end"))?;
            match timeout(AGAIN, self.live.emptied()).await {
                Ok(emptied) => return emptied.map_err(self.failed("watch")),
                // Somebody was born in the midst of it, or takes long to die.
                Err(_) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<Evidence> {
        if let Some(proof) = self.live.proof() {
            return Ok(proof);
        }
        let (alive, total, usage) = match &self.live.job {
            Some(job) => {
                let account = job.account().map_err(self.failed("look into"))?;
                (account.active, account.total as usize, account.usage)
            }
            None => (0, 0, None),
        };
        let fate = self.fate();
        let resources = {
            let mut roster = self.live.roster();
            if alive == 0 {
                roster.note_all_gone(fate);
            } else if let Some(job) = &self.live.job {
                roster.note_ended(job, fate).map_err(self.failed("look into"))?;
                roster.look(job).map_err(self.failed("look into"))?;
            }
            roster.resources(Fate::Survived, "it still runs after it was forced to end")
        };
        let mut resources = resources;
        let named = resources.iter().filter(|resource| resource.fate == Fate::Survived).count();
        if alive as usize > named {
            // Some could not be opened, or there are too many to be listed.
            resources.push(Resource {
                kind: ResourceKind::Task,
                id: self.live.id.to_string(),
                started: None,
                name: None,
                fate: Fate::Survived,
                reason: Some(format!("{alive} of its processes still run, {named} of them named here")),
                remedy: Some(format!("spawner destroy {}", self.live.id)),
            });
        }
        let total = total.max(resources.len());
        let mechanisms = self.live.mechanisms.clone();
        let evidence = Evidence { mechanisms, strength: Strength::CannotMiss, resources, total, usage };
        self.seen = Some(evidence.clone());
        Ok(evidence)
    }

    fn last_known(&mut self, why: &str) -> Evidence {
        let mut resources = self.live.roster().resources(Fate::Unverified, why);
        resources.extend(self.live.scratch.as_ref().map(|scratch| scratch.unverified(why)));
        let total = resources.len();
        let mechanisms = self.live.mechanisms.clone();
        Evidence { mechanisms, strength: Strength::Blind, resources, total, usage: None }
    }

    async fn release(&mut self) -> Vec<Resource> {
        if self.live.proof().is_some() {
            return Vec::new();
        }
        let Some(seen) = self.seen.take() else { return Vec::new() };
        let mut released = match &self.live.scratch {
            Some(scratch) => scratch.remove().await,
            None => Vec::new(),
        };
        if !released.iter().any(|resource| resource.fate.is_leftover()) {
            let left = self.live.page.as_ref().and_then(|page| page.leftover(page.close_alone()));
            released.extend(left);
        }
        if released.iter().any(|resource| resource.fate.is_leftover()) {
            self.seen = Some(seen);
        } else {
            self.shared.settled(&self.live, seen);
        }
        released
    }
}
