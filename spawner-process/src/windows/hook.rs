//! Windows needs no supervisor: the kernel itself ends a job with its harness. Programs are written for all
//! platforms, so the calls are here.

use spawner_core::Result;

/// Does nothing on Windows, where there is no supervisor to fork.
///
/// # Safety
///
/// The same contract as elsewhere, which nothing here relies on: the calling process has one thread only.
#[allow(unsafe_code)] // The signature is that of the other platforms; there is no unsafe operation in it.
pub unsafe fn fork_supervisor() -> Result<()> {
    Ok(())
}

/// Does nothing on Windows, where there is no supervisor to end.
pub fn dismiss_supervisor() -> Result<()> {
    Ok(())
}
