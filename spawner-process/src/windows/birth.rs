//! The birth of a process: suspended, in its jobs, with three handles of ours and no other.
#![allow(unsafe_code, reason = "CreateProcessW, and the list of attributes that it reads")]

use std::ffi::c_void;
use std::fs::OpenOptions;
use std::io;
use std::mem::{size_of, size_of_val};
use std::os::windows::io::{AsHandle as _, AsRawHandle as _, OwnedHandle};
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, HANDLE};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT, CreateProcessW,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList,
    LPPROC_THREAD_ATTRIBUTE_LIST, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST,
    PROCESS_INFORMATION, ResumeThread, STARTF_USESTDHANDLES, STARTUPINFOEXW, UpdateProcThreadAttribute,
};

use super::handle::{owned, wide, worked};
use super::job::Job;
use super::process::Process;

/// What CreateProcessW is told.
pub(super) struct Birth<'a> {
    /// The file to execute, absolute.
    pub(super) image: &'a Path,
    /// Ends with a zero.
    pub(super) command_line: Vec<u16>,
    /// Ends with two.
    pub(super) environment: &'a [u16],
    pub(super) cwd: Option<&'a Path>,
    /// Standard input, output and error, all inheritable.
    pub(super) streams: &'a [OwnedHandle; 3],
    /// The jobs that it is to be in, the outer one first.
    pub(super) jobs: [&'a Job; 2],
}

/// Which step failed.
#[derive(Debug)]
pub(super) enum Miscarried {
    /// Nothing was created.
    Create(io::Error),
    /// It was created, did not run, and was ended; or could not be ended, as the second says.
    Assign(io::Error, io::Result<()>),
}

/// A process that has not run yet. Where this is dropped, it stays suspended, in its jobs.
#[derive(Debug)]
pub(super) struct Newborn {
    pub(super) process: Arc<Process>,
    thread: OwnedHandle,
}

impl Newborn {
    /// Lets it run.
    pub(super) fn resume(self) -> io::Result<()> {
        // SAFETY: the handle is open, and the thread was made suspended.
        if unsafe { ResumeThread(self.thread.as_raw_handle()) } == u32::MAX {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl Birth<'_> {
    /// Creates the process, suspended. It is in both jobs when this returns; from its first instant where the system
    /// knows how (Windows 10), so that nothing is left of it where the harness ends in between.
    pub(super) fn create(&mut self) -> Result<Newborn, Miscarried> {
        let unable = |error: &io::Error| {
            [ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED]
                .iter()
                .any(|&code| error.raw_os_error() == Some(code.cast_signed()))
        };
        let newborn = match self.execute(true) {
            Err(error) if unable(&error) => self.execute(false),
            other => other,
        };
        let newborn = newborn.map_err(Miscarried::Create)?;
        for job in self.jobs {
            let process = newborn.process.as_handle();
            let inside =
                job.has(process).and_then(|inside| if inside { Ok(()) } else { job.assign(process) });
            if let Err(error) = inside {
                // It has not run, so it is all there is.
                return Err(Miscarried::Assign(error, newborn.process.terminate(super::KILLED)));
            }
        }
        Ok(newborn)
    }

    fn execute(&mut self, in_jobs: bool) -> io::Result<Newborn> {
        let handles = self.streams.each_ref().map(|stream| stream.as_raw_handle());
        let jobs = self.jobs.map(|job| job.as_handle().as_raw_handle());
        let mut attributes = Attributes::new(2)?;
        attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &handles)?;
        if in_jobs {
            attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, &jobs)?;
        }
        let mut startup = STARTUPINFOEXW::default();
        startup.StartupInfo.cb = u32::try_from(size_of::<STARTUPINFOEXW>()).unwrap_or(0);
        startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
        let [input, output, error] = handles;
        startup.StartupInfo.hStdInput = input;
        startup.StartupInfo.hStdOutput = output;
        startup.StartupInfo.hStdError = error;
        startup.lpAttributeList = attributes.list();
        let mut flags = CREATE_SUSPENDED
            | CREATE_NEW_PROCESS_GROUP
            | CREATE_UNICODE_ENVIRONMENT
            | EXTENDED_STARTUPINFO_PRESENT;
        if !has_console() {
            // A console program would open a window of its own otherwise.
            flags |= CREATE_NO_WINDOW;
        }
        let image = wide(self.image.as_os_str());
        let cwd = self.cwd.map(|cwd| wide(cwd.as_os_str()));
        let mut made = PROCESS_INFORMATION::default();
        // SAFETY: all texts end with zeros, the environment with two; the command line may be written to; attributes,
        // handles and jobs live until the call has returned.
        worked(unsafe {
            CreateProcessW(
                image.as_ptr(),
                self.command_line.as_mut_ptr(),
                ptr::null(),
                ptr::null(),
                1,
                flags,
                self.environment.as_ptr().cast::<c_void>(),
                cwd.as_ref().map_or(ptr::null(), |cwd| cwd.as_ptr()),
                &raw const startup.StartupInfo,
                &raw mut made,
            )
        })?;
        let (process, thread) = (owned(made.hProcess)?, owned(made.hThread)?);
        Ok(Newborn { process: Arc::new(Process::of(process, made.dwProcessId)?), thread })
    }
}

/// Whether this process has a console, which its children share. The name is there for those only that have one.
pub(super) fn has_console() -> bool {
    OpenOptions::new().read(true).write(true).open("CONOUT$").is_ok()
}

/// Attributes of a process to be, in the system's own form. What they point to must live as long as they do.
struct Attributes {
    /// In words, so that it is aligned.
    memory: Vec<usize>,
}

impl Attributes {
    fn new(count: u32) -> io::Result<Self> {
        let mut size = 0;
        // SAFETY: without a list, the size that it would have is written, and the call fails.
        unsafe { InitializeProcThreadAttributeList(ptr::null_mut(), count, 0, &raw mut size) };
        let mut memory = vec![0usize; size.div_ceil(size_of::<usize>())];
        // SAFETY: the memory is as large as was asked for.
        worked(unsafe {
            InitializeProcThreadAttributeList(memory.as_mut_ptr().cast::<c_void>(), count, 0, &raw mut size)
        })?;
        Ok(Self { memory })
    }

    fn set(&mut self, attribute: u32, value: &[HANDLE]) -> io::Result<()> {
        // SAFETY: the list was initialised with room for it; the caller keeps the value for as long.
        worked(unsafe {
            UpdateProcThreadAttribute(
                self.list(),
                0,
                attribute as usize,
                value.as_ptr().cast::<c_void>(),
                size_of_val(value),
                ptr::null_mut(),
                ptr::null(),
            )
        })
    }

    fn list(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.memory.as_mut_ptr().cast::<c_void>()
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and is used no more.
        unsafe { DeleteProcThreadAttributeList(self.list()) };
    }
}
