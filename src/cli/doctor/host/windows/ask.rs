//! Questions to Windows that the standard library cannot ask.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::os::windows::process::CommandExt as _;
use std::process::Command;
use std::ptr::{null, null_mut};

use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::System::Console::GetConsoleProcessList;
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, IsProcessInJob, JOB_OBJECT_LIMIT_ACTIVE_PROCESS,
    JOB_OBJECT_LIMIT_BREAKAWAY_OK, JOB_OBJECT_LIMIT_JOB_MEMORY, JOB_OBJECT_LIMIT_JOB_TIME,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOB_OBJECT_LIMIT_PROCESS_MEMORY,
    JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectExtendedLimitInformation, QueryInformationJobObject,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RegGetValueW};
use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOW;
use windows_sys::Win32::System::Threading::{CREATE_NO_WINDOW, CREATE_SUSPENDED, GetCurrentProcess};
use windows_sys::core::w;

/// The version of Windows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    build: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.build)
    }
}

/// Which one it is; the documented ways without this call tell a program what its manifest names.
pub(super) fn version() -> Option<Version> {
    // SAFETY: an all-zero structure is a valid value of this plain C struct.
    let mut told: OSVERSIONINFOW = unsafe { std::mem::zeroed() };
    told.dwOSVersionInfoSize = size_of_val::<OSVERSIONINFOW>(&told) as u32;
    // SAFETY: it writes a structure of the size that it says, and nothing else.
    let status = unsafe { RtlGetVersion(&raw mut told) };
    (status == 0).then_some(Version {
        major: told.dwMajorVersion,
        minor: told.dwMinorVersion,
        build: told.dwBuildNumber,
    })
}

/// Wine's own version, where this is wine: it exports that for programs that want to know.
pub(super) fn wine_version() -> Option<String> {
    // SAFETY: both names end with a zero; ntdll.dll is in every process and stays there.
    let function =
        unsafe { GetProcAddress(GetModuleHandleW(w!("ntdll.dll")), c"wine_get_version".as_ptr().cast()) }?;
    // SAFETY: that is how wine declares this function; no Windows has one of its name.
    let wine_get_version: unsafe extern "C" fn() -> *const std::ffi::c_char =
        unsafe { std::mem::transmute(function) };
    // SAFETY: it returns a text of its own that ends with a zero and never changes.
    let version = unsafe { CStr::from_ptr(wine_get_version()) };
    Some(version.to_string_lossy().into_owned())
}

/// Whether this process has a console.
pub(super) fn has_console() -> bool {
    let mut one = 0;
    // SAFETY: it writes at most the one number that there is room for.
    unsafe { GetConsoleProcessList(&raw mut one, 1) > 0 }
}

/// Whether the system lets programs use long paths; `None` where it was never told.
pub(super) fn long_paths() -> Option<bool> {
    let (mut value, mut size) = (0_u32, size_of::<u32>() as u32);
    // SAFETY: the names end with a zero, and it writes at most `size` bytes to `value`.
    let status = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            w!("SYSTEM\\CurrentControlSet\\Control\\FileSystem"),
            w!("LongPathsEnabled"),
            RRF_RT_REG_DWORD,
            null_mut(),
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    (status == 0).then_some(value != 0)
}

/// The job that this process was put into by somebody else.
#[derive(Debug)]
pub(super) enum OwnJob {
    None,
    Limits(Limits),
    /// There is one, and it does not tell its limits.
    Unknown(io::Error),
}

/// What a job forbids and bounds.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    pub(super) kill_on_close: bool,
    pub(super) breakaway: bool,
    pub(super) silent_breakaway: bool,
    /// How many processes at one time.
    pub(super) processes: Option<u32>,
    /// Bytes of all processes together, or of each.
    pub(super) memory: Option<usize>,
    /// Whether it bounds the time on a CPU.
    pub(super) time: bool,
}

impl Limits {
    /// What it bounds, for people.
    pub(super) fn bounds(&self) -> impl Iterator<Item = String> {
        let processes = self.processes.map(|count| format!("at most {count} processes at one time"));
        let memory = self.memory.map(|bytes| format!("at most {} MiB of memory", bytes >> 20));
        let time = self.time.then(|| "its time on a CPU".to_owned());
        [processes, memory, time].into_iter().flatten()
    }
}

/// Tries whether a process can be put into a job that lies in another one. The process is this program again,
/// which never runs an instruction.
pub(super) fn job_in_job() -> io::Result<()> {
    let mut process =
        Command::new(std::env::current_exe()?).creation_flags(CREATE_SUSPENDED | CREATE_NO_WINDOW).spawn()?;
    let tried = (0..2).try_fold(Vec::new(), |mut jobs, _| {
        // SAFETY: neither attributes nor a name are given.
        let job = unsafe { CreateJobObjectW(null(), null()) };
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just made, and belongs to nobody else.
        let job = unsafe { OwnedHandle::from_raw_handle(job) };
        // SAFETY: both handles are open for as long as the call lasts.
        if unsafe { AssignProcessToJobObject(job.as_raw_handle(), process.as_raw_handle()) } == 0 {
            return Err(io::Error::last_os_error());
        }
        jobs.push(job);
        Ok(jobs)
    });
    let ended = process.kill().and_then(|()| process.wait());
    tried.map(drop).and(ended.map(drop))
}

/// Whether this process is in a job, and in which.
pub(super) fn own_job() -> io::Result<OwnJob> {
    let mut inside = 0;
    // SAFETY: the pseudo handle of this process is always valid; no job means any; it writes to `inside` alone.
    if unsafe { IsProcessInJob(GetCurrentProcess(), null_mut(), &raw mut inside) } == 0 {
        return Err(io::Error::last_os_error());
    }
    if inside == 0 {
        return Ok(OwnJob::None);
    }
    // SAFETY: an all-zero structure is a valid value of this plain C struct.
    let mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = unsafe { std::mem::zeroed() };
    // SAFETY: no job means the one of this process; it writes at most the size that is given.
    let asked = unsafe {
        QueryInformationJobObject(
            null_mut(),
            JobObjectExtendedLimitInformation,
            (&raw mut limits).cast(),
            size_of_val::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>(&limits) as u32,
            null_mut(),
        )
    };
    if asked == 0 {
        return Ok(OwnJob::Unknown(io::Error::last_os_error()));
    }
    let basic = &limits.BasicLimitInformation;
    let has = |flag| basic.LimitFlags & flag != 0;
    let job_memory = has(JOB_OBJECT_LIMIT_JOB_MEMORY).then_some(limits.JobMemoryLimit);
    let process_memory = has(JOB_OBJECT_LIMIT_PROCESS_MEMORY).then_some(limits.ProcessMemoryLimit);
    Ok(OwnJob::Limits(Limits {
        kill_on_close: has(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE),
        breakaway: has(JOB_OBJECT_LIMIT_BREAKAWAY_OK),
        silent_breakaway: has(JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK),
        processes: has(JOB_OBJECT_LIMIT_ACTIVE_PROCESS).then_some(basic.ActiveProcessLimit),
        memory: job_memory.or(process_memory),
        time: has(JOB_OBJECT_LIMIT_JOB_TIME),
    }))
}
