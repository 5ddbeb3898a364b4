//! The one thread of a backend in which all goes on that belongs to its connections, however many they are. The runtime of
//! who starts a task may end before that one.

use std::sync::Mutex;
use std::time::Duration;

use spawner_core::{Error, Result};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::lock::lock;

/// How long what is closed may take to end.
const PARTING: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Worker {
    handle: Mutex<Option<Handle>>,
    closed: watch::Sender<bool>,
}

impl Default for Worker {
    fn default() -> Self {
        Self { handle: Mutex::default(), closed: watch::Sender::new(false) }
    }
}

impl Worker {
    /// The runtime, in a thread that ends some time after this was closed.
    pub(crate) fn runtime(&self) -> Result<Handle> {
        let mut known = lock(&self.handle);
        if let Some(handle) = &*known {
            return Ok(handle.clone());
        }
        let failed = |source| Error::io("start", "a thread for connections", source);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (handle, mut closed) = (runtime.handle().clone(), self.closed.subscribe());
        let work = move || {
            runtime.block_on(async {
                // What is gone is closed.
                let waited = closed.wait_for(|closed| *closed).await.is_ok();
                let metrics = Handle::current().metrics();
                let ended = async {
                    while metrics.num_alive_tasks() > 0 {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                if timeout(PARTING, ended).await.is_err() {
                    tracing::debug!(waited, "what went on over connections is cut short");
                }
            });
        };
        std::thread::Builder::new().name("spawner-remote".into()).spawn(work).map_err(failed)?;
        Ok(known.insert(handle).clone())
    }

    /// Goes on with this, whoever started it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        match self.runtime() {
            Ok(runtime) => drop(runtime.spawn(work)),
            Err(error) => tracing::warn!(%error, "nobody goes on with a connection"),
        }
    }

    /// Nothing new is to begin.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }
}
