//! Handles and texts, as Windows wants them.
#![allow(unsafe_code, reason = "handles come from the system as bare pointers and are owned from here on")]

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle as _, BorrowedHandle, FromRawHandle as _, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// Owns what a system call has just returned; null and -1 are its failure.
pub(super) fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: callers hand over what they have just been given, and keep no copy.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A system call's word on whether it worked.
pub(super) fn worked(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A second handle to the same thing, which children may inherit or not.
pub(super) fn copy(handle: BorrowedHandle<'_>, inheritable: bool) -> io::Result<OwnedHandle> {
    let mut copy = ptr::null_mut();
    // SAFETY: the handle is open as long as it is borrowed; the pseudo-handle of this process needs no closing.
    worked(unsafe {
        let own = GetCurrentProcess();
        let inheritable = i32::from(inheritable);
        DuplicateHandle(
            own,
            handle.as_raw_handle(),
            own,
            &raw mut copy,
            0,
            inheritable,
            DUPLICATE_SAME_ACCESS,
        )
    })?;
    owned(copy)
}

/// With the zero at its end that system calls want.
pub(super) fn wide(text: &OsStr) -> Vec<u16> {
    text.encode_wide().chain([0]).collect()
}
