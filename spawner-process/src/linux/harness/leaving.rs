//! The ends of helpers: those that leave, those that have died, those that are ended.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::lifeline::Helper;
use spawner_core::{Error, ErrorKind, ProcessIdentity, Result};
use tokio::time::Instant;

use super::live::Live;
use super::supervisor::Supervisor;

/// How long helpers may take to leave.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

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

/// Waits until every keeper of these tasks, which their harness has let go of, has ended and seen its task gone. One whose
/// supervisor was killed is awaited by nobody else.
pub(crate) async fn seen_through(tasks: &[Arc<Live>], deadline: Instant) -> Result<()> {
    let mut seen = Ok(());
    for live in tasks.iter().filter(|live| !live.detached) {
        // Who only came to the door of another harness's keeper waits for none.
        let Some(keeper) = live.link().filter(|keeper| keeper.supervisor.is_some()) else { continue };
        let subject = format!("the keeper of task {}", live.id);
        let ended = ended_by(deadline, &subject, keeper.identity.pid, || keeper.identity.is_alive()).await;
        let through = ended.and_then(|ended| {
            if !ended {
                return Err(Error::new(ErrorKind::TimedOut, "see the end of", subject));
            }
            match &live.page {
                // Who observes the end closes the record.
                Some(page) if page.path().exists() => {
                    let why = "its keeper has ended, and nobody saw that nothing of it is left";
                    let lost = Error::new(ErrorKind::Lost, "see the end of", format!("task {}", live.id));
                    Err(lost.because(why).hint("a sweep ends what is found of it"))
                }
                _ => Ok(()),
            }
        });
        seen = seen.and(through);
    }
    seen
}

/// Whether the process with this pid has ended by `deadline`, where `is_it`, asked once that process is held, says that
/// it is the one that is meant.
async fn ended_by(deadline: Instant, subject: &str, pid: u32, is_it: impl Fn() -> bool) -> Result<bool> {
    let failed = |source| Error::io("await the end of", subject, source);
    let own = Pid::from_raw(pid.cast_signed());
    let own = own.ok_or_else(|| failed(std::io::ErrorKind::InvalidData.into()))?;
    let pidfd = match pidfd_open(own, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(true),
        other => other.map_err(|errno| failed(errno.into()))?,
    };
    if !is_it() {
        return Ok(true);
    }
    let pidfd = crate::unix::ready::watch(Arc::new(pidfd), tokio::io::Interest::READABLE).map_err(failed)?;
    match tokio::time::timeout_at(deadline, pidfd.readable()).await {
        Ok(ready) => ready.map(|_| true).map_err(failed),
        Err(_) => Ok(false),
    }
}

/// A supervisor that was told to leave. It does so after everything of this harness was ended and removed.
#[derive(Debug)]
pub(crate) struct Leaving(pub(super) Helper, pub(super) Option<PathBuf>);

impl Leaving {
    /// Waits until it has left.
    pub(crate) async fn left(mut self, deadline: Instant) -> Result<()> {
        while !self.0.has_ended() {
            let pid = self.0.pid();
            if !ended_by(deadline, "the supervisor", pid, || true).await? {
                return Err(Error::new(ErrorKind::TimedOut, "see the end of", "the supervisor"));
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
