//! A conversation with a helper, for any number of callers on any runtime.
//!
//! Nobody reads in the background: whoever waits for something reads, and tells the others what changed. So
//! a backend made on one runtime can be used from another, also after the first has ended.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;

use crate::linux::wire::Wire;
use crate::unix::ready::{self, Owned};

/// What is made of the words that arrive.
pub(crate) trait Hear {
    type Word: DeserializeOwned;

    fn hear(&mut self, word: Self::Word, descriptors: Vec<OwnedFd>);
}

/// The harness's end of a helper's socket, and what was heard over it.
#[derive(Debug)]
pub(crate) struct Link<S> {
    inner: Mutex<(Wire, S)>,
    readiness: Mutex<Option<(Id, Arc<AsyncFd<Owned>>)>>,
    changed: watch::Sender<()>,
}

impl<S: Hear> Link<S> {
    pub(crate) fn new(socket: OwnedFd, state: S) -> io::Result<Self> {
        Ok(Self {
            inner: Mutex::new((Wire::new(socket)?, state)),
            readiness: Mutex::new(None),
            changed: watch::Sender::new(()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, (Wire, S)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what was heard.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut self.lock().1)
    }

    /// Says something. What the socket does not take at once goes out while somebody waits.
    pub(crate) fn say(&self, word: &impl Serialize, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        self.lock().0.send(word, descriptors)
    }

    /// Whether the other end is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.listen();
        self.lock().0.is_closed()
    }

    /// Tells the other end that this one is gone, whoever still holds the socket.
    pub(crate) fn close(&self) {
        let inner = self.lock();
        // That the other end has closed it already is the only way to fail.
        if let Err(errno) = rustix::net::shutdown(inner.0.socket(), rustix::net::Shutdown::Both) {
            tracing::trace!(%errno, "the other end was gone already");
        }
    }

    /// Reads what has arrived.
    pub(crate) fn listen(&self) {
        let mut inner = self.lock();
        let (wire, state) = &mut *inner;
        let mut news = false;
        // An error of the socket is found again by whoever waits: nothing arrives any more.
        let read = wire.flush().and(wire.receive());
        let understood = loop {
            match wire.next::<S::Word>() {
                Ok(Some((word, descriptors))) => state.hear(word, descriptors),
                Ok(None) => break true,
                Err(_) => break false,
            }
            news = true;
        };
        if !understood {
            // Nothing that follows can be understood either: this is the end of the conversation.
            wire.give_up();
        }
        if news || read.is_err() || wire.is_closed() {
            drop(inner);
            self.changed.send_replace(());
        }
    }

    /// Waits until `wanted` finds what it looks for in what was heard. An error says that the other end is
    /// gone. Cancel-safe.
    pub(crate) async fn until<T>(&self, mut wanted: impl FnMut(&mut S) -> Option<T>) -> io::Result<T> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            self.listen();
            let unsent = {
                let mut inner = self.lock();
                if let Some(found) = wanted(&mut inner.1) {
                    return Ok(found);
                }
                if inner.0.is_closed() {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                inner.0.has_unsent()
            };
            let readiness = self.readiness()?;
            let interest = if unsent { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            tokio::select! {
                biased;
                guard = readiness.ready(interest) => {
                    let mut guard = guard?;
                    // Read to the end before the readiness is given up, or the next edge would be missed.
                    self.listen();
                    guard.clear_ready();
                }
                _ = changed.changed() => {}
            }
        }
    }

    /// The socket's registration with the runtime that this is called on.
    fn readiness(&self) -> io::Result<Arc<AsyncFd<Owned>>> {
        let runtime = Handle::current().id();
        let mut own = self.readiness.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((id, readiness)) = own.as_ref()
            && *id == runtime
        {
            return Ok(Arc::clone(readiness));
        }
        let socket = Arc::clone(self.lock().0.socket());
        // Another runtime may still wait with the registration of the same descriptor, so it gets another one.
        let socket = if own.is_some() { Arc::new(socket.try_clone()?) } else { socket };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let readiness = Arc::new(ready::watch(socket, interest)?);
        *own = Some((runtime, Arc::clone(&readiness)));
        Ok(readiness)
    }
}
