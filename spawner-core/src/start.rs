//! A start is owned from its first instant.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::cleanup::CleanupOutcome;
use crate::error::Error;

type Undo = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Option<CleanupOutcome>> + Send>> + Send>;

/// Where the outcomes of abandoned starts are kept until somebody asks. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<CleanupOutcome>>>);

impl Ledger {
    /// Takes what has gathered.
    pub fn take(&self) -> Vec<CleanupOutcome> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn enter(&self, outcome: Option<CleanupOutcome>) {
        let Some(outcome) = outcome else { return };
        if !outcome.is_clean() {
            tracing::warn!(%outcome, "an abandoned start could not be torn down");
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    }
}

/// Owns what a start has made so far. Unless the start succeeds, it is torn down: by
/// [`StartGuard::fail`] where a step failed, by dropping the guard where the caller dropped the future.
///
/// Tearing down goes on in a task of the runtime, so that it is not cut short when the caller goes away
/// again. Where the runtime itself is gone, `undo` is dropped uncalled, and what it captured must end what
/// it owns when it is dropped (the lifeline of a helper does).
#[must_use = "dropping the guard tears down what was started"]
pub struct StartGuard {
    undo: Option<Undo>,
    ledger: Ledger,
    /// Where the start began: the future may be dropped on a thread that belongs to no runtime.
    runtime: Option<Handle>,
}

impl StartGuard {
    /// Owns what `undo` can tear down. It returns no outcome where it finds that nothing had been made.
    pub fn new<F, Fut, O>(ledger: &Ledger, undo: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = O> + Send + 'static,
        O: Into<Option<CleanupOutcome>>,
    {
        let undo: Undo = Box::new(move || Box::pin(async move { undo().await.into() }));
        Self { undo: Some(undo), ledger: ledger.clone(), runtime: Handle::try_current().ok() }
    }

    /// The start succeeded: the caller owns it now.
    pub fn succeed(mut self) {
        self.undo = None;
    }

    /// A step failed with `error`: tears down what was made, and accounts for it in the error.
    pub async fn fail(mut self, error: Error) -> Error {
        let Some(undo) = self.undo.take() else { return error };
        let (ledger, (sender, receiver)) = (self.ledger.clone(), oneshot::channel());
        let mut pending = Pending { receiver, ledger: ledger.clone() };
        tokio::spawn(async move {
            if let Err(outcome) = sender.send(undo().await) {
                ledger.enter(outcome);
            }
        });
        match (&mut pending.receiver).await {
            Ok(Some(outcome)) => error.with_cleanup(outcome),
            Ok(None) => error,
            Err(_) => error.hint("what it had made by then may still be there: its teardown was cut short"),
        }
    }
}

/// An outcome on its way to the error that accounts for it. Where the caller goes away before it took
/// it, the ledger gets it.
struct Pending {
    receiver: oneshot::Receiver<Option<CleanupOutcome>>,
    ledger: Ledger,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(outcome) = self.receiver.try_recv() {
            self.ledger.enter(outcome);
        }
    }
}

impl Drop for StartGuard {
    fn drop(&mut self) {
        let Some(undo) = self.undo.take() else { return };
        let Some(runtime) = self.runtime.take() else { return };
        let ledger = self.ledger.clone();
        runtime.spawn(async move { ledger.enter(undo().await) });
    }
}
