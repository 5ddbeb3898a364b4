//! A host to which there is a connection, or was one, or will be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use spawner_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Address, Connection, Worker};
use crate::lock::lock;

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) address: Arc<Address>,
    /// What is in the command line of every ssh program of this harness.
    token: String,
    timeout: Duration,
    lease: Duration,
    /// Held while somebody connects, so that nobody else does.
    connecting: tokio::sync::Mutex<()>,
    connection: Mutex<Option<Arc<Connection>>>,
    /// Those that were doubted, as long as they are there: they hold tasks.
    retired: Mutex<Vec<Arc<Connection>>>,
    /// Nobody is to connect any more.
    closed: watch::Sender<bool>,
    worker: Arc<Worker>,
}

impl Host {
    pub(crate) fn new(
        address: Address,
        (timeout, lease): (Duration, Duration),
        token: &str,
        worker: &Arc<Worker>,
    ) -> Self {
        Self {
            address: Arc::new(address),
            token: token.to_owned(),
            timeout,
            lease,
            connecting: tokio::sync::Mutex::default(),
            connection: Mutex::default(),
            retired: Mutex::default(),
            closed: watch::Sender::new(false),
            worker: Arc::clone(worker),
        }
    }

    /// The connection that there is, if it is not doubted.
    pub(crate) fn present(&self) -> Option<Arc<Connection>> {
        let connection = lock(&self.connection).clone();
        connection.filter(|connection| connection.is_up() && !connection.is_doubted())
    }

    /// The connection, once there is one. Bounded in time, and cancel-safe.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>> {
        if let Some(connection) = self.present() {
            return Ok(connection);
        }
        let _turn = self.connecting.lock().await;
        if self.is_closed() {
            return Err(self.over());
        }
        if let Some(connection) = self.present() {
            return Ok(connection);
        }
        let opened = {
            let (address, token) = (Arc::clone(&self.address), self.token.clone());
            let timing = (self.timeout, self.lease);
            // Dropped with the caller, so that nobody connects for who does not want it any more.
            let mut opening = JoinSet::new();
            opening
                .spawn_on(async move { Connection::open(&address, timing, &token).await }, &self.runtime()?);
            let opened = opening.join_next().await.transpose().ok().flatten();
            Arc::new(opened.unwrap_or_else(|| Err(self.over()))?)
        };
        let before = lock(&self.connection).replace(Arc::clone(&opened));
        let mut retired = lock(&self.retired);
        retired.extend(before);
        retired.retain(|connection| connection.is_up());
        Ok(opened)
    }

    /// Has this connection from now on.
    #[cfg(test)]
    pub(crate) fn install(&self, link: &Arc<Connection>) {
        *lock(&self.connection) = Some(Arc::clone(link));
    }

    /// Waits until nobody is to connect any more.
    pub(crate) async fn is_over(&self) {
        let mut closed = self.closed.subscribe();
        // The sender is ours.
        if closed.wait_for(|closed| *closed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// How long an answer took when the last connection was made.
    pub(crate) fn round(&self) -> Option<Duration> {
        lock(&self.connection).as_ref().map(|connection| connection.round)
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Ends every connection, and lets nobody connect again.
    pub(crate) fn close(&self) -> Vec<Arc<Connection>> {
        let mut connections = std::mem::take(&mut *lock(&self.retired));
        connections.extend(lock(&self.connection).take());
        for connection in &connections {
            connection.close();
        }
        self.closed.send_replace(true);
        connections
    }

    fn over(&self) -> Error {
        Error::new(ErrorKind::Lost, "connect to", &*self.address.destination)
            .because("the backend was shut down")
    }

    /// Where all that goes on over the connection does.
    pub(crate) fn runtime(&self) -> Result<Handle> {
        self.worker.runtime()
    }

    /// Goes on with this, whoever started it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.worker.spawn(work);
    }
}
