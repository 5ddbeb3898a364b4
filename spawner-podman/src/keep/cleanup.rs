//! What the helper does when its harness is dead.
//!
//! Whatever the engine is doing then: what runs here is killed at once, without it. Then the engine is asked to
//! remove what there is; where it does not answer, the engine's own program is. That is tried again until it has
//! been done, or took too long. A record stays until its container *and* its processes were seen to be gone.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use spawner_core::journal::{Claim, Page};
use spawner_core::lifeline::Told;
use spawner_core::{Journal, Result};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::{Charge, program, strike};
use crate::config::PodmanConfig;
use crate::engine::{Engine, Removal, Seen};
use crate::local::Local;
use crate::remains::{Origin, end_engines_of_the_dead};

/// How long all of it may take. What is left then is for a sweep.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an engine may take to say that it is there.
const PING: Duration = Duration::from_millis(500);

/// How long it may take to remove one container.
const REMOVAL: Duration = Duration::from_secs(4);

/// How long a container may take to appear whose creation was never answered.
const UNSEEN: Duration = Duration::from_secs(3);

/// How many containers an engine is asked to remove at the same time.
const AT_ONCE: usize = 8;

/// How long to wait before it is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(300));

/// What an attempt has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// There was one, and there is none now.
    Removed,
    /// There is none, and there may not have been one.
    None,
    /// Nobody could say.
    Unknown,
}

/// Ends everything that the harness had.
pub(super) async fn all(told: Told<PodmanConfig, Charge>) {
    let config = told.settings.unwrap_or_default();
    if let Some(pid) = told.dead {
        Journal::in_folder(config.state_dir.as_deref()).forget_half_written(pid);
    }
    let marks = strike::strike_marked(&told.charges);
    if let Err(error) = marks {
        tracing::debug!(%error, "what bears marks cannot be looked for");
    }
    let (turns, until) = (Semaphore::new(AT_ONCE), Instant::now() + PATIENCE);
    join_all(told.charges.values().map(|charge| one(charge, &config, &turns, until))).await;
    end_engines_of_the_dead();
}

/// Ends one container, and closes its record where nothing of it is left.
async fn one(charge: &Charge, config: &PodmanConfig, turns: &Semaphore, until: Instant) {
    let local = charge.traces.as_ref().and_then(Local::recall);
    strike(local.as_ref());
    let page = charge.page.as_ref().map(Page::at);
    let _claim = claim(page.as_ref()).await;
    let (mut pause, began) = (PAUSE.0, Instant::now());
    let mut volumes = charge.traces.as_ref().map(|traces| traces.volumes.clone()).unwrap_or_default();
    loop {
        let found = {
            let Ok(_turn) = turns.acquire().await else { return };
            attempt(charge, config, &mut volumes).await
        };
        let there_was_one = charge.traces.is_some() || found == Found::Removed;
        let none_is = found != Found::Unknown;
        if none_is && there_was_one && is_cold(local.as_ref()) {
            return close(page.as_ref());
        }
        // The engine may have been asked to make one a moment before the harness died.
        if Instant::now() >= until || (none_is && !there_was_one && began.elapsed() > UNSEEN) {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
        strike(local.as_ref());
        if local.is_none()
            && let Err(error) = strike::strike_marked(&[(charge.task, charge.clone())].into())
        {
            tracing::debug!(%error, "what bears marks cannot be looked for");
        }
    }
}

fn strike(local: Option<&Local>) {
    if let Some(Err(error)) = local.map(Local::strike) {
        tracing::debug!(%error, "what runs of a container is left to the engine");
    }
}

/// Whether nothing runs any more of what ran here.
fn is_cold(local: Option<&Local>) -> bool {
    local.is_none_or(|local| local.has_ended() && local.members().is_ok_and(|members| members.is_empty()))
}

/// So that a sweep waits for us. Where another one is at it already, both are.
async fn claim(page: Option<&Page>) -> Option<Claim> {
    page?.claim(Duration::ZERO).await.unwrap_or_default()
}

fn close(page: Option<&Page>) {
    if let Some(Err(error)) = page.map(Page::close) {
        tracing::debug!(%error, "a record stays until the next sweep");
    }
}

/// Has the container removed, by whoever can.
async fn attempt(charge: &Charge, config: &PodmanConfig, volumes: &mut BTreeSet<String>) -> Found {
    if let Ok(found) = by_engine(charge, config, volumes).await {
        return found;
    }
    if charge.endpoint.private {
        // It does not answer; while it is stopped it may hold what the program needs.
        end_engines_of_the_dead();
    }
    if program::remove(&config.program, charge).await { Found::Removed } else { Found::Unknown }
}

/// An error where the engine does not answer, or cannot remove it. `volumes` are those that were made for it, as far as
/// they were seen.
async fn by_engine(charge: &Charge, config: &PodmanConfig, volumes: &mut BTreeSet<String>) -> Result<Found> {
    let engine = Engine::at(&charge.endpoint, config, Instant::now() + PING).await?;
    let by = Instant::now() + REMOVAL;
    let seen = engine.inspect(charge.id().unwrap_or(&charge.name), by).await?;
    // Somebody else's container may have the name.
    let own = |seen: &Seen| Origin::of(&seen.labels).is_some_and(|origin| origin.task == charge.task);
    let mut found = Found::None;
    if let Some(seen) = seen.filter(own) {
        volumes.extend(seen.own_volumes());
        let removed = engine.remove(&seen.id, by).await?;
        // It is asked again: an answer that it will be done is none.
        found = match (engine.inspect(&seen.id, by).await?, removed) {
            (None, Removal::Removed) => Found::Removed,
            (None, Removal::AlreadyGone) => Found::None,
            (Some(_), _) => return Ok(Found::Unknown),
        };
    }
    // Under load podman 4.3 forgets some that it should remove with their container.
    while let Some(name) = volumes.first() {
        if engine.volume(name, by).await? {
            engine.remove_volume(name, by).await?;
        }
        volumes.pop_first();
    }
    Ok(found)
}
