//! Locking what no panic leaves half done.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it, whoever panicked meanwhile: every change to it is one step.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
