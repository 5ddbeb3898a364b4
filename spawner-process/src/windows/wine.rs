//! Wine, which is Windows to its programs and keeps some promises of Windows less than that.
#![allow(unsafe_code, reason = "asks for an address")]

use std::sync::OnceLock;

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::w;

/// Whether this is wine: it exports a function for programs that want to know.
pub(super) fn is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        // SAFETY: both names end with a zero, and ntdll.dll is part of every process. The address is not called.
        unsafe { GetProcAddress(GetModuleHandleW(w!("ntdll.dll")), c"wine_get_version".as_ptr().cast()) }
            .is_some()
    })
}
