//! What jobs tell: one completion port and one thread for all tasks of a spawner.
#![allow(unsafe_code, reason = "system calls on completion ports")]

use std::collections::HashMap;
use std::io;
use std::os::windows::io::{AsHandle as _, AsRawHandle as _, OwnedHandle};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::Notify;
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::SystemServices::JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO;
use windows_sys::Win32::System::Threading::INFINITE;

use super::handle::{owned, worked};
use super::job::Job;

/// The key by which the thread is told to end.
const END: usize = 0;

/// Says which jobs have become empty. Its thread ends when it is dropped.
#[derive(Debug)]
pub(super) struct Port(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    port: OwnedHandle,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    last: usize,
    jobs: HashMap<usize, Arc<Notify>>,
}

/// A job that is watched, until this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    key: usize,
    inner: Arc<Inner>,
    /// Somebody may be awaiting it at the moment of the news, so whoever waits asks the job, too.
    pub(super) news: Arc<Notify>,
}

impl Port {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: it takes no pointers; a port of its own, for one thread.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 1) };
        let inner = Arc::new(Inner { port: owned(port)?, watched: Mutex::default() });
        let own = Arc::clone(&inner);
        thread::Builder::new().name("spawner-jobs".into()).spawn(move || own.listen())?;
        Ok(Self(inner))
    }

    /// Watches a job, which must be empty still.
    pub(super) fn watch(&self, job: &Job) -> io::Result<Watch> {
        let news = Arc::new(Notify::new());
        let key = {
            let mut watched = self.0.watched();
            watched.last += 1;
            let key = watched.last;
            watched.jobs.insert(key, Arc::clone(&news));
            key
        };
        let watch = Watch { key, inner: Arc::clone(&self.0), news };
        job.tell(self.0.port.as_handle(), key)?;
        Ok(watch)
    }
}

impl Inner {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) {
        loop {
            let (mut message, mut key, mut detail) = (0, END, ptr::null_mut());
            // SAFETY: three values are written to places of ours. What a job tells has no structure behind it: the
            // third is a pid in the shape of a pointer, and is not followed.
            let told = worked(unsafe {
                GetQueuedCompletionStatus(
                    self.port.as_raw_handle(),
                    &raw mut message,
                    &raw mut key,
                    &raw mut detail,
                    INFINITE,
                )
            });
            if let Err(error) = told {
                // Whoever awaits a job looks at it now and then, too.
                return tracing::warn!(%error, "jobs are not listened to any more");
            }
            if key == END {
                return;
            }
            if message == JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO
                && let Some(news) = self.watched().jobs.get(&key)
            {
                news.notify_waiters();
            }
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // SAFETY: the port is open, and no structure is handed over.
        let told =
            worked(unsafe { PostQueuedCompletionStatus(self.0.port.as_raw_handle(), 0, END, ptr::null()) });
        if let Err(error) = told {
            tracing::warn!(%error, "the thread that listens to jobs stays");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.inner.watched().jobs.remove(&self.key);
    }
}
