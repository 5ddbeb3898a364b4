//! The threads of this process.
#![allow(unsafe_code)] // A thread that ends alone, and the handle by which another one awaits that.

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::System::Threading::{
    ExitThread, GetCurrentThreadId, OpenThread, THREAD_SYNCHRONIZE, WaitForSingleObject,
};

/// A thread of this process.
pub(crate) struct Thread(OwnedHandle);

impl Thread {
    /// The one that calls this.
    pub(crate) fn own() -> io::Result<Self> {
        // SAFETY: they take numbers.
        let handle = unsafe { OpenThread(THREAD_SYNCHRONIZE, 0, GetCurrentThreadId()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is a fresh handle, and nobody else's.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// Waits until it has ended, for at most ten seconds.
    pub(crate) fn await_end(&self) {
        // SAFETY: the handle is one.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), 10_000) };
    }
}

/// Ends this thread and not its process.
pub(crate) fn end() -> ! {
    // SAFETY: what others borrow from this thread's stack stays, since none of the workloads that call this lends any.
    unsafe { ExitThread(0) }
}
