//! The ends of helpers: those that leave, those that have died, those that are ended.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::lifeline::Helper;
use spawner_core::{Error, ErrorKind, ProcessIdentity, Result};

use super::supervisor::Supervisor;

/// How long a supervisor may take to leave.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Ends a keeper that is not this process's child, nor its supervisor's any more, through a pidfd.
pub(crate) fn end_by_identity(keeper: &ProcessIdentity) -> Result<()> {
    signal_by_identity(keeper, Signal::KILL)
}

/// Signals a keeper through a pidfd; one that has ended hears nothing.
pub(super) fn signal_by_identity(keeper: &ProcessIdentity, signal: Signal) -> Result<()> {
    let failed = |errno: Errno| {
        Error::io(format!("send signal {} to the keeper", signal.as_raw()), keeper.to_string(), errno.into())
    };
    let Some(pid) = Pid::from_raw(keeper.pid.cast_signed()) else { return Ok(()) };
    let signalled = pidfd_open(pid, PidfdFlags::empty()).and_then(|pidfd| {
        // Only after the pidfd is had does the identity say whose it is.
        if keeper.is_alive() { pidfd_send_signal(pidfd, signal) } else { Ok(()) }
    });
    match signalled {
        Err(Errno::SRCH) => Ok(()),
        other => other.map_err(failed),
    }
}

/// Reaps a supervisor that has died or is about to, and removes its group, though whoever has a task of it
/// still holds it.
pub(super) fn see_off(dead: &Supervisor) {
    let mut own = dead.helper.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut helper) = own.take() else { return };
    let ended = helper.has_ended();
    let leaving = Leaving(helper, dead.set_up.group.clone());
    if ended {
        return leaving.remove_group();
    }
    // Its socket closes before it has ended.
    let wait = move || {
        if let Err(error) = leaving.wait() {
            tracing::warn!(%error, "a supervisor that no longer answers is still there");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("spawner-reaper".into()).spawn(wait) {
        tracing::warn!(%error, "a supervisor that has ended may stay a zombie");
    }
}

/// A supervisor that was told to leave. It does so after everything of this harness was ended and removed.
#[derive(Debug)]
pub(crate) struct Leaving(pub(super) Helper, pub(super) Option<PathBuf>);

impl Leaving {
    /// Waits until it has left.
    pub(crate) async fn left(mut self) -> Result<()> {
        let failed = |source| Error::io("await the end of", "the supervisor", source);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.0.has_ended() {
            let pid = Pid::from_raw(self.0.pid().cast_signed());
            let pid = pid.ok_or_else(|| failed(std::io::ErrorKind::InvalidData.into()))?;
            let pidfd = pidfd_open(pid, PidfdFlags::empty());
            let pidfd = match pidfd {
                // It ended just now, in a harness that has the kernel reap its children.
                Err(Errno::SRCH) => continue,
                other => other.map_err(|errno| failed(errno.into()))?,
            };
            let pidfd =
                crate::unix::ready::watch(Arc::new(pidfd), tokio::io::Interest::READABLE).map_err(failed)?;
            match tokio::time::timeout_at(deadline, pidfd.readable()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(failed(error)),
                Err(_) => return Err(Error::new(ErrorKind::TimedOut, "see the end of", "the supervisor")),
            }
        }
        self.remove_group();
        Ok(())
    }

    /// The same for a thread.
    pub(crate) fn wait(mut self) -> Result<()> {
        self.0.wait(PATIENCE)?;
        self.remove_group();
        Ok(())
    }

    /// A supervisor that was killed could not remove its group. Once it has ended, a keeper that still has a
    /// group in there sees that, and removes both: so one try is enough.
    fn remove_group(&self) {
        if let Some(Err(error)) = self.1.as_deref().map(std::fs::remove_dir) {
            tracing::trace!(%error, "the harness's group is gone already, or in use");
        }
    }
}
