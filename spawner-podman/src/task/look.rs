//! Looks at one task in a container: at its processes where they are of this host, else by the engine's word.

use std::time::Duration;

use spawner_core::{Evidence, Fate, Result, Strength};
use tokio::time::{Instant, sleep, timeout};

use super::evidence::{self, Leftover};
use super::rungs::PodmanRungs;
use crate::engine::Seen;
use crate::local;

/// The same within a look, for which there is less time.
const GLANCE: Duration = Duration::from_millis(80);

/// How long the engine's monitor may take to tidy up after the end of its container.
const TIDYING: Duration = Duration::from_secs(1);

/// How long a container may take to appear that an engine was asked to make and did not say whether it did.
const BIRTH: Duration = Duration::from_secs(3);

impl PodmanRungs {
    /// What an engine says of a container of which no process is known here.
    async fn engine_s_word(&self) -> Result<Option<Seen>> {
        let engine = self.engine().await?;
        if !self.live.traces().id.is_empty() {
            return self.inspect(&engine).await;
        }
        // It was asked for, and nobody knows whether it was made: it may be under way.
        let mut first = None;
        loop {
            let seen = self.inspect(&engine).await?;
            let waited = first.get_or_insert_with(Instant::now).elapsed();
            if seen.is_some() || waited >= BIRTH {
                return Ok(seen);
            }
            sleep(BIRTH / 60).await;
        }
    }

    pub(super) async fn look_by_engine(&self) -> Result<Evidence> {
        let seen = self.engine_s_word().await?;
        if !self.lives().is_empty() {
            return self.look_here().await;
        }
        if self.live.may_come() {
            let why = "the engine was asked to make it, did not say whether it did, and may do so yet";
            let container = self.container(Err(Leftover::unverified(&why, self.remedy())));
            return Ok(self.evidence(Strength::MayMiss, vec![container]));
        }
        let runs = seen.as_ref().is_some_and(|seen| seen.status.is_live());
        let had = |seen: &Seen| seen.started.is_some();
        let known = !self.live.traces().id.is_empty() && !self.was_removed_idle();
        let ran = runs || !self.live.rebooted && seen.as_ref().map_or(known, had);
        let left = runs.then(|| self.container(Err(Leftover::survived(&"it runs still", self.remedy()))));
        // What never had a process has left none.
        let strength = if !runs && (!ran || self.ran_here_and_is_gone().await?) {
            Strength::CannotMiss
        } else {
            Strength::MayMiss
        };
        Ok(self.evidence(strength, left.into_iter().collect()))
    }

    /// Whether we had it removed before anything ever ran in it.
    fn was_removed_idle(&self) -> bool {
        let known = self.live.account.known();
        known.removed && known.idle == Some(true)
    }

    /// Whether it ran on this host, where nothing of it is now: it had ended before its first process was seen.
    async fn ran_here_and_is_gone(&self) -> Result<bool> {
        let here = !self.live.account.known().storage.is_empty();
        let engine = self.engine().await?;
        if !(here && engine.is_here()) {
            return Ok(false);
        }
        let (id, until) = (self.live.traces().id, Instant::now() + TIDYING);
        loop {
            let nothing = local::has_nothing_of(&id, engine.is_rootless()).await;
            let nothing = nothing.map_err(|error| self.failed("look for what is left of", error))?;
            // The engine's monitor tidies up after the end, which takes a moment.
            if nothing || Instant::now() >= until {
                return Ok(nothing);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn look_here(&self) -> Result<Evidence> {
        let lives = self.lives();
        let mut seen = self.see(&lives, self.fate())?;
        if self.progress.escalated() && seen.iter().any(|(_, alive)| !alive.is_empty()) {
            // An engine that was told to start it again does so; removing it puts an end to that. Where something
            // cannot end, that takes longer than there is to look.
            if let Ok(removed) = timeout(GLANCE, self.remove_now()).await {
                removed?;
            }
            seen = self.see(&self.lives(), Fate::Killed)?;
        }
        let certain = lives.iter().all(|life| life.cannot_miss());
        let strength = if certain { Strength::CannotMiss } else { Strength::MayMiss };
        let mut evidence = self.evidence(strength, Vec::new());
        for (life, alive) in &seen {
            let (processes, total) = evidence::processes(life, alive);
            evidence.total += total;
            evidence.resources.extend(processes);
        }
        if seen.iter().any(|(_, alive)| !alive.is_empty()) {
            let leftover = Leftover::unverified(&"it was not removed: processes of it run", self.remedy());
            evidence.resources.push(self.container(Err(leftover)));
            evidence.total += 1;
        }
        Ok(evidence)
    }
}
