//! Toolhelp's picture of all processes.
#![allow(unsafe_code)] // The structures that it fills.

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};

/// A process in the picture. Its parent may have ended, and its number be another's by now.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// The name of its program's file.
    pub(crate) name: String,
}

/// All processes of this moment.
pub(crate) fn take() -> io::Result<Vec<Entry>> {
    // SAFETY: it takes numbers.
    let handle = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is a fresh handle, and nobody else's.
    let snapshot = unsafe { OwnedHandle::from_raw_handle(handle) };
    let mut all = Vec::new();
    // SAFETY: the structure is plain data, for which zeroes are valid.
    let mut entry: PROCESSENTRY32W = unsafe { std::mem::zeroed() };
    entry.dwSize = u32::try_from(size_of::<PROCESSENTRY32W>()).unwrap_or(0);
    // SAFETY: the handle is that of a snapshot, and the structure says how long it is.
    let mut more = unsafe { Process32FirstW(snapshot.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        let name: Vec<u16> = entry.szExeFile.iter().copied().take_while(|&unit| unit != 0).collect();
        let name = String::from_utf16_lossy(&name);
        all.push(Entry { pid: entry.th32ProcessID, parent: entry.th32ParentProcessID, name });
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.as_raw_handle(), &raw mut entry) };
    }
    Ok(all)
}
