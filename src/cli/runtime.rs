//! The event loop.

use std::os::fd::{AsFd as _, OwnedFd};

use spawner::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// How many descriptors tokio takes for itself, with some to spare.
const DESCRIPTORS: usize = 8;

/// The event loop, in this one thread.
pub(crate) fn current_thread() -> Result<Runtime> {
    let failed = |error| Error::io("start", "the event loop", error);
    // Where there are no descriptors left, tokio panics; an error is better.
    let spare: std::io::Result<Vec<OwnedFd>> =
        (0..DESCRIPTORS).map(|_| std::io::stdin().as_fd().try_clone_to_owned()).collect();
    drop(spare.map_err(failed)?);
    Builder::new_current_thread().enable_all().build().map_err(failed)
}
