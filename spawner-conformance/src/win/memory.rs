//! Memory that the processes of one workload share.
#![allow(unsafe_code)] // A view of it, which is never taken away again.

use std::io;
use std::sync::atomic::AtomicU64;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_ALL_ACCESS, MapViewOfFile, PAGE_READWRITE,
};

use super::wide;

/// Numbers that every process sees alike which asks for this name; zeroes at first.
pub(crate) fn shared(name: &str) -> io::Result<&'static [AtomicU64; 64]> {
    let (name, size) = (wide(&format!("Local\\{name}")), size_of::<[AtomicU64; 64]>());
    let length = u32::try_from(size).unwrap_or(0);
    // SAFETY: the name has a zero behind it and outlives the call; the handle is kept until this process ends. A view
    // is aligned to a page, long enough, zeroed at first, and never taken away; zeroes are valid atomics.
    unsafe {
        let mapping = CreateFileMappingW(
            INVALID_HANDLE_VALUE,
            std::ptr::null(),
            PAGE_READWRITE,
            0,
            length,
            name.as_ptr(),
        );
        if mapping.is_null() {
            return Err(io::Error::last_os_error());
        }
        let view = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, size).Value;
        if view.is_null() { Err(io::Error::last_os_error()) } else { Ok(&*view.cast()) }
    }
}
