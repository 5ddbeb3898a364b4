//! When everything has arrived.

use std::time::Duration;

use tokio::sync::watch;

/// What may still be read of a task's streams once it has ended: more than what lies on the way, in bytes, and less than
/// what a writer that never stops writes.
pub const REST: usize = 8 << 20;

/// How long the end of a stream may be ahead of the end of its task.
pub const AHEAD: Duration = Duration::from_secs(2);

/// What is on its way to our own streams and files; they have it all once the sender is gone.
pub type Flow = watch::Receiver<()>;

/// Waits until they have it all. Cancel-safe.
pub async fn flushed(mut flow: Flow) {
    while flow.changed().await.is_ok() {}
}
