//! When everything has arrived.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What may still be read of a task's streams once it has ended: more than what lies on the way, in bytes, and less than
/// what a writer that never stops writes.
pub const REST: usize = 8 << 20;

/// How long the end of a stream may be ahead of the end of its task.
pub const AHEAD: Duration = Duration::from_secs(2);

/// What is on its way to our own streams and files; they have it all once the sender is gone.
pub type Flow = watch::Receiver<()>;

/// All that is on its way, also of tasks that are gone. For backends.
#[derive(Debug, Default)]
pub struct Flows(Mutex<Vec<Flow>>);

impl Flows {
    /// How long our own streams may take to take what tasks wrote last, before the harness goes on without that.
    const LAST_WORDS: Duration = Duration::from_secs(2);

    /// Something more is on its way.
    pub fn add(&self, flow: Flow) {
        let mut flows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|flow| flow.has_changed().is_ok());
        flows.push(flow);
    }

    /// Waits until everything has arrived, for two seconds at most; says where that was too short. Cancel-safe, but who
    /// asks again does not wait.
    pub async fn arrived(&self) {
        let flows = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async {
            for flow in flows {
                flushed(flow).await;
            }
        };
        if tokio::time::timeout(Self::LAST_WORDS, all).await.is_err() {
            tracing::warn!("our streams did not take what tasks wrote last");
        }
    }
}

/// Waits until they have it all. Cancel-safe.
pub async fn flushed(mut flow: Flow) {
    while flow.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_arrived_is_awaited_no_longer_and_what_hangs_is_left_behind() {
        let flows = Flows::default();
        let (under_way, flow) = watch::channel(());
        flows.add(flow);
        let began = Instant::now();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(under_way);
        });
        flows.arrived().await;
        assert_eq!(began.elapsed().as_secs(), 1);

        let (_hangs, flow) = watch::channel(());
        flows.add(flow);
        flows.arrived().await;
        assert_eq!(began.elapsed().as_secs(), 3);
        flows.arrived().await;
        assert_eq!(began.elapsed().as_secs(), 3);
    }
}
