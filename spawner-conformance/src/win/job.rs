//! Job Objects of the suite's own.
#![allow(unsafe_code)] // Handles of jobs, and the structures that say what they are like.

use std::io;
use std::os::windows::io::{AsRawHandle as _, BorrowedHandle, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_ACTIVE_PROCESS,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicProcessIdList,
    JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::{done, wide};

/// A job. Dropped, it is there as long as a process is in it, unless it [ends with its handle](Job::bound).
#[derive(Debug)]
pub(crate) struct Job(OwnedHandle);

impl Job {
    /// A fresh one, which has no name.
    pub(crate) fn new() -> io::Result<Self> {
        Self::make(std::ptr::null())
    }

    /// That of this name, in this session of Windows; made where it is not there.
    pub(crate) fn named(name: &str) -> io::Result<Self> {
        Self::make(wide(&format!("Local\\{name}")).as_ptr())
    }

    fn make(name: *const u16) -> io::Result<Self> {
        // SAFETY: the name is none, or a text with a zero behind it that outlives the call.
        let handle = unsafe { CreateJobObjectW(std::ptr::null(), name) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is a fresh handle, and nobody else's.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// Lets it hold no more than so many processes, and ends all of them when its last handle is closed.
    pub(crate) fn bound(&self, processes: u32) -> io::Result<()> {
        // SAFETY: the structure is plain data, for which zeroes are valid.
        let mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = unsafe { std::mem::zeroed() };
        limits.BasicLimitInformation.LimitFlags =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
        limits.BasicLimitInformation.ActiveProcessLimit = processes;
        let length = u32::try_from(size_of_val(&limits)).unwrap_or(0);
        // SAFETY: the structure is the one of this class, and as long as is said.
        done(unsafe {
            SetInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                length,
            )
        })
    }

    /// Puts a process into it; what that makes from then on is born in it.
    pub(crate) fn take_in(&self, process: BorrowedHandle<'_>) -> io::Result<()> {
        // SAFETY: both are handles of what they should be.
        done(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process.as_raw_handle()) })
    }

    /// Puts this process into it, for good.
    pub(crate) fn enter(&self) -> io::Result<()> {
        // SAFETY: both are handles of what they should be.
        done(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), GetCurrentProcess()) })
    }

    /// The pids of what runs in it, in jobs within it too.
    pub(crate) fn pids(&self) -> io::Result<Vec<u32>> {
        let mut room = 256;
        loop {
            // Two counts of 32 bits, and then the numbers.
            let mut list = vec![0_usize; room + 1];
            let length = u32::try_from(size_of_val(list.as_slice())).unwrap_or(u32::MAX);
            // SAFETY: the buffer is as long as is said, and aligned for the structure, which begins with two numbers.
            let told = done(unsafe {
                QueryInformationJobObject(
                    self.0.as_raw_handle(),
                    JobObjectBasicProcessIdList,
                    list.as_mut_ptr().cast(),
                    length,
                    std::ptr::null_mut(),
                )
            });
            match told {
                Err(error)
                    if error.raw_os_error() == Some(ERROR_MORE_DATA.cast_signed()) && room < 1 << 20 =>
                {
                    room *= 4;
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    let count = (list[0] >> 32).min(room);
                    return Ok(list[1..=count].iter().filter_map(|&pid| u32::try_from(pid).ok()).collect());
                }
            }
        }
    }
}
