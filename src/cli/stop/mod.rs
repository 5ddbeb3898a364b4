//! The wish to stop: signals, or what a console sends.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as own;
#[cfg(windows)]
use windows as own;

#[cfg(unix)]
pub(in crate::cli) use self::unix::is_ignored;
pub(in crate::cli) use own::{Signals, WISHES};

/// Where wishes to stop come from.
pub(in crate::cli) trait Stop {
    /// Returns when somebody wishes it to stop; once for each wish.
    async fn wished(&mut self);
}
