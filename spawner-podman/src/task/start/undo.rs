//! Ends what came of a start that failed or was dropped.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use spawner_core::{CleanupOutcome, Spawner as _, Teardown};
use tokio::time::Instant;

use super::{Birth, Made};
use crate::backend::PodmanSpawner;
use crate::local::{Local, Traces};
use crate::remains::is_of;
use crate::task::live::Live;

/// How long an engine may take to say whether it made what it was asked for.
const LOOK: Duration = Duration::from_secs(2);

/// Between two looks for a container whose making is not answered.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

impl Birth {
    /// Waits for the answer to a request that cannot be called back, or for what comes of it.
    async fn resolve(&self) {
        let Some(mut asked) = self.making.lock().await.take() else { return };
        let mut pause = PAUSE.0;
        loop {
            tokio::select! {
                answer = &mut asked => {
                    if let Err(error) = self.heard(answer) {
                        tracing::debug!(%error, "an abandoned start came to nothing");
                    }
                    return;
                }
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
            }
            let named = self.engine.inspect(&self.wish.name, Instant::now() + LOOK).await;
            if let Some(seen) = named.ok().flatten().filter(|seen| is_of(self.record.id, &seen.labels)) {
                self.becomes(Made::Yes(seen.id));
                return asked.abort();
            }
        }
    }

    /// Ends what came of a start.
    pub(super) async fn undo(self: Arc<Self>) -> Option<CleanupOutcome> {
        self.resolve().await;
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let named = match &made {
            Made::Unasked => Some(None),
            Made::Asked => None,
            // A refusal may come from something between us and the engine.
            Made::Refused => self.engine.inspect(&self.wish.name, Instant::now() + LOOK).await.ok(),
            Made::Yes(id) => self.engine.inspect(id, Instant::now() + LOOK).await.ok(),
        };
        let seen = match named {
            Some(seen) => match (seen.filter(|seen| is_of(self.record.id, &seen.labels)), &made) {
                (None, Made::Unasked | Made::Refused) => {
                    self.discard();
                    return None;
                }
                (seen, _) => seen,
            },
            None => None,
        };
        let is_unheard = matches!(made, Made::Asked);
        let id = if let Made::Yes(id) = made { id } else { String::new() };
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fresh = || Traces { id, ..Traces::of(&*self.wish.name, self.engine.endpoint().clone()) };
        let mut traces = found.unwrap_or_else(fresh);
        // An engine that is silent now told of its first process before.
        let local = seen.as_ref().and_then(Local::find).or_else(|| Local::recall(&traces));
        if let Some(seen) = &seen {
            traces.id.clone_from(&seen.id);
        }
        if let Some(local) = &local {
            traces.learn(local);
        }
        let had = (traces, local, Some(self.engine.clone()));
        let (record, config) = (self.record.clone(), Arc::clone(&self.shared.config));
        let live = Live::new(record.clone(), self.linger, config, had, self.page.clone());
        let live = if is_unheard { live.asked_for(Timestamp::now()) } else { live };
        let task = self.shared.tasks.enter(record, Arc::new(live));
        let spawner = PodmanSpawner { shared: Arc::clone(&self.shared) };
        Some(spawner.destroy_task(&task, &Teardown::at_once()).await)
    }
}
