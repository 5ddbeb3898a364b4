//! What every system does in its own way, behind one interface.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as own;
#[cfg(windows)]
use windows as own;

pub(super) use own::{have_descriptors, open_device, open_named_handle, unread_after};
