//! What other systems have a supervisor for.

use spawner_core::Result;

/// There is no supervisor on this system: does nothing.
///
/// # Safety
///
/// None is needed; on other systems, the calling process must have one thread only.
#[allow(unsafe_code)] // The signature is that of other systems.
#[allow(clippy::unnecessary_wraps)]
pub unsafe fn fork_supervisor() -> Result<()> {
    Ok(())
}

/// There is no supervisor on this system: does nothing.
#[allow(clippy::unnecessary_wraps)]
pub fn dismiss_supervisor() -> Result<()> {
    Ok(())
}
