//! One process, by a handle: for as long as that is held, its pid is nobody else's.
#![allow(unsafe_code, reason = "system calls on processes")]

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt as _;
use std::os::windows::io::{AsHandle, AsRawHandle as _, BorrowedHandle, OwnedHandle};
use std::path::PathBuf;
use std::time::Duration;

use spawner_core::ProcessIdentity;
use windows_sys::Win32::Foundation::{FILETIME, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, GetProcessTimes, OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_INFORMATION,
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, QueryFullProcessImageNameW, TerminateProcess,
    WaitForSingleObject,
};

use super::handle::{owned, worked};

/// A process that runs, or ran.
#[derive(Debug)]
pub(super) struct Process {
    handle: OwnedHandle,
    pid: u32,
    /// As GetProcessTimes gives it.
    created: u64,
}

impl Process {
    /// What has just been created.
    pub(super) fn of(handle: OwnedHandle, pid: u32) -> io::Result<Self> {
        let created = created(handle.as_handle())?;
        Ok(Self { handle, pid, created })
    }

    /// The process that has this pid now, to look at and to wait for. `None` where there is none.
    pub(super) fn open(pid: u32) -> io::Result<Option<Self>> {
        // SAFETY: it takes numbers only.
        let open = |rights| owned(unsafe { OpenProcess(rights | PROCESS_SYNCHRONIZE, 0, pid) });
        // Wine asks for the greater right where it is asked whether somebody is in a job.
        let handle = open(PROCESS_QUERY_INFORMATION).or_else(|_| open(PROCESS_QUERY_LIMITED_INFORMATION));
        match handle {
            // OpenProcess says ERROR_INVALID_PARAMETER of a pid that nobody has.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            other => Self::of(other?, pid).map(Some),
        }
    }

    /// This very process, whatever else has had its pid. `None` where it is gone for good.
    pub(super) fn open_identity(identity: &ProcessIdentity) -> io::Result<Option<Self>> {
        if identity.boot_id != ProcessIdentity::boot() {
            return Ok(None);
        }
        Ok(Self::open(identity.pid)?.filter(|process| process.created == identity.start_time))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { boot_id: ProcessIdentity::boot(), pid: self.pid, start_time: self.created }
    }

    /// The file that it runs; `None` where the system does not tell.
    pub(super) fn image(&self) -> Option<PathBuf> {
        let mut text = [0u16; 1024];
        let mut length = u32::try_from(text.len()).ok()?;
        // SAFETY: no more is written than the length that is told.
        let told = unsafe {
            QueryFullProcessImageNameW(
                self.handle.as_raw_handle(),
                PROCESS_NAME_WIN32,
                text.as_mut_ptr(),
                &raw mut length,
            )
        };
        (told != 0).then(|| OsString::from_wide(&text[..length as usize]).into())
    }

    /// Whether it has ended; waits for that for at most so long, and blocks the thread meanwhile.
    pub(super) fn has_ended(&self, patience: Duration) -> io::Result<bool> {
        let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX - 1);
        // SAFETY: the handle is open, and may be waited for.
        match unsafe { WaitForSingleObject(self.handle.as_raw_handle(), milliseconds) } {
            WAIT_OBJECT_0 => Ok(true),
            WAIT_TIMEOUT => Ok(false),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// All 32 bits. Of a process that runs it says something, too, so ask only of one that has ended.
    pub(super) fn exit_code(&self) -> io::Result<u32> {
        let mut code = 0;
        // SAFETY: the handle is open, and one number is written.
        worked(unsafe { GetExitCodeProcess(self.handle.as_raw_handle(), &raw mut code) })?;
        Ok(code)
    }

    /// Ends it alone. For one that was created by this very process: another handle may not allow it.
    pub(super) fn terminate(&self, code: u32) -> io::Result<()> {
        // SAFETY: the handle is open.
        worked(unsafe { TerminateProcess(self.handle.as_raw_handle(), code) })
    }
}

impl AsHandle for Process {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

fn created(process: BorrowedHandle<'_>) -> io::Result<u64> {
    let mut times = [FILETIME::default(); 4];
    let [created, ended, kernel, user] = &mut times;
    // SAFETY: the handle is open; each of the four is written to, and lives here.
    worked(unsafe { GetProcessTimes(process.as_raw_handle(), created, ended, kernel, user) })?;
    Ok(u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}
