//! The event loop.

use std::time::Duration;

use spawner::{Backend, Error, ErrorKind, Result};
use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;
use super::system;

/// The event loop, in this one thread.
pub(crate) fn current_thread() -> Result<Runtime> {
    let failed = |error| Error::io("start", "the event loop", error);
    // Where there are no descriptors left, tokio panics; an error is better.
    system::have_descriptors().map_err(failed)?;
    Builder::new_current_thread().enable_all().build().map_err(failed)
}

/// Does `work` with a backend in an event loop, then ends the backend's helpers.
pub(crate) fn serve<T>(
    backend: Backend,
    work: impl AsyncFnOnce(&Backend) -> Result<T, Failure>,
) -> Result<T, Failure> {
    current_thread()?.block_on(async {
        let done = work(&backend).await;
        match (done, shut_down(backend).await) {
            (Ok(_), Err(error)) => Err(error.into()),
            (done, Ok(())) => done,
            (Err(failure), Err(error)) => Err(failure.and(&error.to_string())),
        }
    })
}

/// Ends the backend's helpers; they end by themselves when we do, so there is no need to wait for ever.
pub(crate) async fn shut_down(backend: Backend) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    match tokio::time::timeout(PATIENCE, backend.release()).await {
        Ok(done) => done,
        Err(_) => Err(Error::new(ErrorKind::TimedOut, "see the end of", "the backend's helpers")),
    }
}
