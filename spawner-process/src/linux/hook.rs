//! How a process becomes a supervisor instead of running its `main`.

use std::sync::Mutex;
use std::sync::PoisonError;

use spawner_core::Result;
use spawner_core::lifeline::{self, Lifeline};

use crate::linux::supervisor::{self, ROLE};

/// Takes a freshly executed copy of the harness over, where it was started to be a supervisor.
#[ctor::ctor(unsafe)]
fn take_over() {
    lifeline::take_over(ROLE, supervisor::main_of_executed);
}

/// A supervisor that was forked early, and by which process.
static EARLY: Mutex<Option<(u32, Lifeline)>> = Mutex::new(None);

/// Forks the supervisor now, for the first spawner that needs one, and for one task. For programs that own
/// their `main` and run one task: it saves starting the executable a second time.
///
/// This process becomes a subreaper (`PR_SET_CHILD_SUBREAPER`), so that no helper is left to an init that may
/// not reap it. Ends with [`ProcessSpawner::release`](crate::ProcessSpawner::release), or with
/// [`dismiss_supervisor`] where no spawner took it.
///
/// # Safety
///
/// The calling process must have one thread only, as a program has at the top of its `main`.
#[allow(unsafe_code)] // fork(2); see the contract.
pub unsafe fn fork_supervisor() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|errno| spawner_core::Error::io("become a subreaper", "", errno.into()))?;
    // SAFETY: the contract is handed on.
    let lifeline = unsafe { lifeline::fork(ROLE, supervisor::main) }?;
    *EARLY.lock().unwrap_or_else(PoisonError::into_inner) = Some((std::process::id(), lifeline));
    Ok(())
}

/// Ends a supervisor that was forked early and that no spawner has taken, and waits for its end.
pub fn dismiss_supervisor() -> Result<()> {
    let Some(Lifeline { socket, mut helper }) = forked_early() else { return Ok(()) };
    drop(socket);
    helper.wait(std::time::Duration::from_secs(5))
}

/// The supervisor that this very process forked early.
pub(crate) fn forked_early() -> Option<Lifeline> {
    let early = EARLY.lock().unwrap_or_else(PoisonError::into_inner).take();
    early.filter(|(owner, _)| *owner == std::process::id()).map(|(_, lifeline)| lifeline)
}

/// Whether the hook is part of the executable that this process runs.
pub(crate) fn is_in_executable() -> bool {
    lifeline::is_in_executable(take_over)
}
