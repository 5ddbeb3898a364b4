//! Files whose handles are handed on.
#![allow(unsafe_code)] // A handle by its number, as it is inherited.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _};

use windows_sys::Win32::Foundation::{HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_DISK, GetFileType};

use super::done;

/// Has everything inherit this file that this process starts and gives its handles to.
pub(crate) fn hand_on(file: &File) -> io::Result<()> {
    // SAFETY: the handle is one.
    done(unsafe { SetHandleInformation(file.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) })
}

/// The file that was inherited by this number; `None` where no file was.
pub(crate) fn inherited(number: usize) -> Option<File> {
    let handle: HANDLE = std::ptr::with_exposed_provenance_mut(number);
    // SAFETY: it says so where the number is no handle. The one who started this process has said that it is its
    // file's, and nothing else here uses it.
    unsafe { (GetFileType(handle) == FILE_TYPE_DISK).then(|| File::from_raw_handle(handle)) }
}

/// The number by which it is inherited.
pub(crate) fn number(file: &File) -> usize {
    file.as_raw_handle().expose_provenance()
}
