//! One process, by a handle, which keeps its pid from being given to another.
#![allow(unsafe_code)] // Handles of processes, and what is asked and done by them.

use std::io;
use std::os::windows::io::{
    AsHandle as _, AsRawHandle as _, BorrowedHandle, FromRawHandle as _, OwnedHandle,
};
use std::process::Child;
use std::time::{Duration, SystemTime};

use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_PARAMETER, FILETIME, HANDLE, STILL_ACTIVE, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetExitCodeProcess, GetProcessTimes, OpenProcess, PEB, PROCESS_BASIC_INFORMATION,
    PROCESS_QUERY_INFORMATION, PROCESS_SUSPEND_RESUME, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE,
    PROCESS_VM_READ, TerminateProcess, WaitForSingleObject,
};

use super::done;

#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "system" {
    fn NtSuspendProcess(process: HANDLE) -> i32;
    fn NtResumeProcess(process: HANDLE) -> i32;
}

/// The status that whoever is killed by the suite ends with.
pub(crate) const KILLED: u32 = 137;

/// How long a process whose end has begun may take before it counts as alive again: its handles are closed and its
/// job is told before it is signalled itself.
const LAST_BREATH: Duration = Duration::from_millis(50);

/// One process, alive or not.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    handle: OwnedHandle,
}

impl Process {
    /// The process with this pid now; `None` where there is none.
    pub(crate) fn open(pid: u32) -> io::Result<Option<Self>> {
        let access = PROCESS_QUERY_INFORMATION
            | PROCESS_VM_READ
            | PROCESS_SYNCHRONIZE
            | PROCESS_TERMINATE
            | PROCESS_SUSPEND_RESUME;
        // SAFETY: it takes numbers.
        let handle = unsafe { OpenProcess(access, 0, pid) };
        if handle.is_null() {
            let error = io::Error::last_os_error();
            let none = error.raw_os_error() == Some(ERROR_INVALID_PARAMETER.cast_signed());
            return if none { Ok(None) } else { Err(error) };
        }
        // SAFETY: it is a fresh handle, and nobody else's.
        Ok(Some(Self { pid, handle: unsafe { OwnedHandle::from_raw_handle(handle) } }))
    }

    /// A child, which may have ended.
    pub(crate) fn of(child: &Child) -> io::Result<Self> {
        Ok(Self { pid: child.id(), handle: child.as_handle().try_clone_to_owned()? })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }

    fn raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }

    /// When it was created, in steps of 100 ns since 1601.
    pub(crate) fn created(&self) -> io::Result<u64> {
        times(self.raw()).map(|times| times.created)
    }

    /// How long ago that was.
    pub(crate) fn age(&self) -> io::Result<Duration> {
        /// From 1601 to 1970.
        const EPOCH: Duration = Duration::from_secs(11_644_473_600);
        let since = Duration::from_micros(self.created()? / 10);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + EPOCH;
        Ok(now.saturating_sub(since))
    }

    /// Whether anything of it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        let mut code = 0;
        // SAFETY: the handle is one, and `code` is valid for writing.
        let asked = unsafe { GetExitCodeProcess(self.raw(), &raw mut code) } != 0;
        let patience =
            if asked && code != STILL_ACTIVE.cast_unsigned() { LAST_BREATH } else { Duration::ZERO };
        !self.ends_within(patience)
    }

    /// Waits for its end; says whether it came.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        let limit = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX - 1);
        // SAFETY: the handle is one.
        unsafe { WaitForSingleObject(self.raw(), limit) == WAIT_OBJECT_0 }
    }

    /// Ends it. Fine where it has ended.
    pub(crate) fn kill(&self) -> io::Result<()> {
        // SAFETY: the handle is one.
        match done(unsafe { TerminateProcess(self.raw(), KILLED) }) {
            Err(error) if error.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed()) => {
                // What this is told of one that is ending.
                if self.ends_within(LAST_BREATH) { Ok(()) } else { Err(error) }
            }
            ended => ended,
        }
    }

    /// Has all its threads stand still.
    pub(crate) fn suspend(&self) -> io::Result<()> {
        // SAFETY: the handle is one.
        status(unsafe { NtSuspendProcess(self.raw()) })
    }

    /// Has them go on.
    pub(crate) fn resume(&self) -> io::Result<()> {
        // SAFETY: the handle is one.
        status(unsafe { NtResumeProcess(self.raw()) })
    }

    /// What it was started with, in one text: read from where every process keeps it in its own memory (PEB).
    pub(crate) fn command_line(&self) -> io::Result<String> {
        // SAFETY: the structure is plain data, for which zeroes are valid, and as long as is said.
        let basic = unsafe {
            let mut basic: PROCESS_BASIC_INFORMATION = std::mem::zeroed();
            let length = u32::try_from(size_of_val(&basic)).unwrap_or(0);
            status(NtQueryInformationProcess(
                self.raw(),
                ProcessBasicInformation,
                (&raw mut basic).cast(),
                length,
                std::ptr::null_mut(),
            ))?;
            basic
        };
        // SAFETY: zeroes are valid for both structures, and the text, which nobody here follows a pointer of.
        let text = unsafe {
            let peb: PEB = self.read(basic.PebBaseAddress)?;
            self.read(peb.ProcessParameters)?.CommandLine
        };
        let mut units = vec![0_u16; usize::from(text.Length) / 2];
        self.read_into(text.Buffer, units.as_mut_ptr(), units.len())?;
        Ok(String::from_utf16_lossy(&units))
    }

    /// What is at an address of its memory.
    ///
    /// # Safety
    ///
    /// Any bytes must be a valid `T`.
    unsafe fn read<T>(&self, at: *const T) -> io::Result<T> {
        let mut value = std::mem::MaybeUninit::zeroed();
        self.read_into(at, value.as_mut_ptr(), 1)?;
        // SAFETY: it was filled, and any bytes are valid, says the caller.
        Ok(unsafe { value.assume_init() })
    }

    fn read_into<T>(&self, at: *const T, to: *mut T, count: usize) -> io::Result<()> {
        if at.is_null() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut read = 0;
        // SAFETY: `at` is an address of the other process, which the system checks; the callers own what `to` points at.
        done(unsafe {
            ReadProcessMemory(self.raw(), at.cast(), to.cast(), count * size_of::<T>(), &raw mut read)
        })
    }
}

fn status(gave: i32) -> io::Result<()> {
    if gave < 0 { Err(io::Error::other(format!("status {gave:#010x}"))) } else { Ok(()) }
}

struct Times {
    created: u64,
    /// In user mode and in the kernel.
    used: u64,
}

fn times(process: HANDLE) -> io::Result<Times> {
    let mut all = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
    let [created, ended, kernel, user] = &mut all;
    // SAFETY: all four are valid for writing.
    done(unsafe { GetProcessTimes(process, created, ended, kernel, user) })?;
    let number = |time: &FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Ok(Times { created: number(created), used: number(kernel) + number(user) })
}

/// When this process was created.
pub(crate) fn own_created() -> io::Result<u64> {
    // SAFETY: it takes nothing, and its handle is not to be closed.
    times(unsafe { GetCurrentProcess() }).map(|times| times.created)
}

/// The CPU time that this process has had, in milliseconds.
pub(crate) fn own_cpu() -> u64 {
    // SAFETY: it takes nothing, and its handle is not to be closed.
    times(unsafe { GetCurrentProcess() }).map_or(0, |times| times.used / 10_000)
}

/// Ends this process at once; no destructor of it runs, and no library is told.
pub(crate) fn leave(status: i32) -> ! {
    // SAFETY: it takes a handle that is this process's own, and a number.
    unsafe { TerminateProcess(GetCurrentProcess(), status.cast_unsigned()) };
    std::process::abort()
}

/// Dies of an access violation.
pub(crate) fn fault() -> i32 {
    // SAFETY: none: nothing is at this address, which is aligned, so that this process ends here.
    unsafe { std::ptr::without_provenance::<i32>(8).read_volatile() }
}
