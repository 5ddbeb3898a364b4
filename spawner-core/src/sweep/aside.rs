//! A sweep beside the first start.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::Result;

/// How long a program that is done waits for a sweep that goes on.
const PATIENCE: Duration = Duration::from_secs(5);

/// The sweep that a spawner makes by itself: once, in a thread of its own, so that no start waits for it. For backends.
#[derive(Debug, Default)]
pub struct Aside {
    asked: AtomicBool,
    /// Ends when the sweep is done, where there is one.
    going_on: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Aside {
    /// Whether nobody has asked before: the first start does whatever is to be done.
    pub fn is_first(&self) -> bool {
        !self.asked.swap(true, Ordering::Relaxed)
    }

    /// Begins what `prepare` returns, in a thread with a runtime of its own; `prepare` is called there too, and returns
    /// `None` where nothing is to be swept.
    ///
    /// Nothing is returned and nobody is waited for: what fails is logged. A program that ends meanwhile cuts it short,
    /// which a sweep must bear.
    pub fn begin<P, S>(&self, prepare: P)
    where
        P: FnOnce() -> Result<Option<S>> + Send + 'static,
        S: Future<Output = ()>,
    {
        let (done, going_on) = oneshot::channel::<()>();
        let work = move || {
            let _done = done;
            let sweep = match prepare() {
                Ok(Some(sweep)) => sweep,
                Ok(None) => return,
                Err(error) => return tracing::warn!(%error, "cannot sweep"),
            };
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(sweep),
                Err(error) => tracing::warn!(%error, "cannot sweep"),
            }
        };
        match std::thread::Builder::new().name("spawner-sweep".into()).spawn(work) {
            Ok(_) => *self.going_on.lock().unwrap_or_else(PoisonError::into_inner) = Some(going_on),
            Err(error) => tracing::warn!(%error, "cannot sweep"),
        }
    }

    /// Waits until what has begun is done, for five seconds at most, so that harnesses that live for milliseconds get
    /// that done too. Not cancel-safe: who asks again does not wait.
    pub async fn done(&self) {
        let going_on = self.going_on.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(going_on) = going_on
            && tokio::time::timeout(PATIENCE, going_on).await.is_err()
        {
            tracing::warn!("a sweep takes long, and is left to the next harness");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::error::{Error, ErrorKind};

    #[test]
    fn only_one_is_first() {
        let aside = Aside::default();
        assert!(aside.is_first());
        assert!(!aside.is_first());
    }

    #[tokio::test]
    async fn who_waits_sees_it_done_and_who_begins_does_not_wait() {
        let aside = Aside::default();
        let (go, held) = mpsc::channel::<()>();
        let (said, heard) = mpsc::channel();
        aside.begin(move || {
            Ok(Some(async move {
                held.recv().unwrap();
                said.send(()).unwrap();
            }))
        });
        assert_eq!(heard.try_recv(), Err(mpsc::TryRecvError::Empty));
        go.send(()).unwrap();
        aside.done().await;
        assert_eq!(heard.try_recv(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_is_left_behind() {
        let aside = Aside::default();
        let (go, held) = mpsc::channel::<()>();
        aside.begin(move || Ok(Some(async move { assert!(held.recv().is_err()) })));
        let began = tokio::time::Instant::now();
        aside.done().await;
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
        drop(go);
    }

    #[tokio::test]
    async fn nothing_to_do_and_a_failure_are_done_at_once() {
        type Nothing = std::future::Ready<()>;
        let aside = Aside::default();
        aside.begin(|| Ok(None::<Nothing>));
        aside.done().await;
        aside.begin(|| Err::<Option<Nothing>, _>(Error::new(ErrorKind::Unavailable, "sweep", "this host")));
        aside.done().await;
        aside.done().await;
    }
}
