//! Who has a file open, as the Restart Manager knows.
#![allow(unsafe_code, reason = "system calls of the Restart Manager")]

use std::fmt;
use std::io;
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, ERROR_SUCCESS};
use windows_sys::Win32::System::RestartManager::{
    CCH_RM_SESSION_KEY, RM_PROCESS_INFO, RmEndSession, RmGetList, RmRegisterResources, RmStartSession,
};

use super::handle::wide;

/// A process that has the file open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// Those that have this file open now.
pub(super) fn of(path: &Path) -> io::Result<Vec<Holder>> {
    let session = Session::start()?;
    session.register(path)?;
    session.list()
}

struct Session(u32);

impl Session {
    fn start() -> io::Result<Self> {
        let mut key = [0u16; CCH_RM_SESSION_KEY as usize + 1];
        let mut number = 0;
        // SAFETY: the key is as long as the system's header says that it must be.
        done(unsafe { RmStartSession(&raw mut number, 0, key.as_mut_ptr()) })?;
        Ok(Self(number))
    }

    fn register(&self, path: &Path) -> io::Result<()> {
        let name = wide(path.as_os_str());
        let names = [name.as_ptr()];
        // SAFETY: one name, which ends with a zero.
        done(unsafe { RmRegisterResources(self.0, 1, names.as_ptr(), 0, ptr::null(), 0, ptr::null()) })
    }

    fn list(&self) -> io::Result<Vec<Holder>> {
        let mut room = 8;
        // It may grow meanwhile, but not for ever.
        for _ in 0..10 {
            let mut found = vec![RM_PROCESS_INFO::default(); room];
            let mut needed = 0;
            let mut count = u32::try_from(room).unwrap_or(u32::MAX);
            let mut reasons = 0;
            // SAFETY: no more is written than the count that is told.
            let told = unsafe {
                RmGetList(self.0, &raw mut needed, &raw mut count, found.as_mut_ptr(), &raw mut reasons)
            };
            if told == ERROR_MORE_DATA {
                room = needed as usize + 8;
                continue;
            }
            done(told)?;
            found.truncate(count as usize);
            return Ok(found.iter().map(holder).collect());
        }
        Err(io::Error::other("the list grows faster than it can be read"))
    }
}

fn holder(found: &RM_PROCESS_INFO) -> Holder {
    let end = found.strAppName.iter().position(|&unit| unit == 0).unwrap_or(found.strAppName.len());
    let name = String::from_utf16_lossy(&found.strAppName[..end]);
    Holder {
        pid: found.Process.dwProcessId,
        name: if name.is_empty() { "a process".to_owned() } else { name },
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: it takes a number.
        if let Err(error) = done(unsafe { RmEndSession(self.0) }) {
            tracing::debug!(%error, "a session of the Restart Manager stays until this process ends");
        }
    }
}

fn done(status: u32) -> io::Result<()> {
    if status == ERROR_SUCCESS { Ok(()) } else { Err(io::Error::from_raw_os_error(status.cast_signed())) }
}
