//! One Job Object.
#![allow(unsafe_code, reason = "system calls on job objects")]

use std::ffi::{OsStr, c_void};
use std::io;
use std::mem::{offset_of, size_of, size_of_val};
use std::os::windows::io::{AsHandle, AsRawHandle as _, BorrowedHandle, OwnedHandle};
use std::ptr;
use std::time::Duration;

use spawner_core::{Limits, Usage};
use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, ERROR_MORE_DATA, GetLastError};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, IsProcessInJob, JOB_OBJECT_CPU_RATE_CONTROL_ENABLE,
    JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP, JOB_OBJECT_LIMIT_ACTIVE_PROCESS, JOB_OBJECT_LIMIT_JOB_MEMORY,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_ASSOCIATE_COMPLETION_PORT,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_BASIC_PROCESS_ID_LIST,
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JOBOBJECTINFOCLASS,
    JobObjectAssociateCompletionPortInformation, JobObjectBasicAccountingInformation,
    JobObjectBasicProcessIdList, JobObjectCpuRateControlInformation, JobObjectExtendedLimitInformation,
    OpenJobObjectW, QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::SystemServices::{JOB_OBJECT_QUERY, JOB_OBJECT_TERMINATE};

use super::handle::{owned, wide, worked};
use super::wine;

/// A set of processes that none of its members can leave, and into which all that they make is born.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

/// What the kernel counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    /// Processes that run now. Once it is 0 it stays so: nobody but a member brings in new ones.
    pub(super) active: u32,
    /// Processes that ever ran.
    pub(super) total: u32,
    /// `None` on wine, whose jobs count no time and no memory.
    pub(super) usage: Option<Usage>,
}

impl Job {
    /// A new one that ends everything in it with its last handle, and that nothing in it can leave. The name is
    /// known to this session; a job that has it already is not taken for the new one.
    pub(super) fn new(name: Option<&OsStr>) -> io::Result<Self> {
        let name = name.map(wide);
        let name = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        // SAFETY: the name ends with a zero and outlives the call. No attributes: not inheritable, the usual rights.
        let (handle, error) = unsafe { (CreateJobObjectW(ptr::null(), name), GetLastError()) };
        let job = Self(owned(handle)?);
        if error == ERROR_ALREADY_EXISTS && !name.is_null() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        job.set(JobObjectExtendedLimitInformation, &limits)?;
        Ok(job)
    }

    /// The one of this name in this session; `None` where there is none: nobody holds a handle to it any more.
    pub(super) fn open(name: &OsStr) -> io::Result<Option<Self>> {
        let name = wide(name);
        // SAFETY: the name ends with a zero and outlives the call.
        let handle = unsafe { OpenJobObjectW(JOB_OBJECT_QUERY | JOB_OBJECT_TERMINATE, 0, name.as_ptr()) };
        match owned(handle) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(|handle| Some(Self(handle))),
        }
    }

    /// Limits what all in it may use together. A limit that the system does not keep is `Unsupported`.
    pub(super) fn limit(&self, limits: &Limits) -> io::Result<()> {
        let mut wanted = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        let basic = &mut wanted.BasicLimitInformation;
        basic.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        if let Some(pids) = limits.pids {
            basic.LimitFlags |= JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
            basic.ActiveProcessLimit = u32::try_from(pids).unwrap_or(u32::MAX).max(1);
        }
        if let Some(memory) = limits.memory {
            basic.LimitFlags |= JOB_OBJECT_LIMIT_JOB_MEMORY;
            wanted.JobMemoryLimit = usize::try_from(memory).unwrap_or(usize::MAX);
        }
        if limits.pids.is_some() || limits.memory.is_some() {
            self.set(JobObjectExtendedLimitInformation, &wanted)?;
            let kept = self.get::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>(JobObjectExtendedLimitInformation)?;
            // Wine takes limits that it does not keep.
            let same = kept.BasicLimitInformation.LimitFlags == wanted.BasicLimitInformation.LimitFlags
                && kept.BasicLimitInformation.ActiveProcessLimit
                    == wanted.BasicLimitInformation.ActiveProcessLimit
                // It is kept in pages.
                && kept.JobMemoryLimit.abs_diff(wanted.JobMemoryLimit) < 65_536;
            if !same {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "this system takes it and forgets it",
                ));
            }
        }
        limits.cpus.map_or(Ok(()), |cpus| self.cap(cpus))
    }

    fn cap(&self, cpus: f64) -> io::Result<()> {
        let there = std::thread::available_parallelism().map_or(1, usize::from);
        let mut wanted = JOBOBJECT_CPU_RATE_CONTROL_INFORMATION {
            ControlFlags: JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP,
            ..Default::default()
        };
        // In hundredths of a percent of all processors.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rate = (cpus / there as f64 * 10_000.0).clamp(1.0, 10_000.0) as u32;
        wanted.Anonymous.CpuRate = rate;
        self.set(JobObjectCpuRateControlInformation, &wanted)?;
        let kept = self.get::<JOBOBJECT_CPU_RATE_CONTROL_INFORMATION>(JobObjectCpuRateControlInformation)?;
        // SAFETY: each of the union's readings is numbers.
        if kept.ControlFlags == wanted.ControlFlags && unsafe { kept.Anonymous.CpuRate } == rate {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system takes it and forgets it"))
    }

    /// Takes in a process that runs nothing yet.
    pub(super) fn assign(&self, process: BorrowedHandle<'_>) -> io::Result<()> {
        // SAFETY: both handles are open.
        worked(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process.as_raw_handle()) })
    }

    /// Whether this very process, whatever its pid, is in it or in a job within it.
    pub(super) fn has(&self, process: BorrowedHandle<'_>) -> io::Result<bool> {
        let mut inside = 0;
        // SAFETY: both handles are open, and one number is written.
        worked(unsafe { IsProcessInJob(process.as_raw_handle(), self.0.as_raw_handle(), &raw mut inside) })?;
        Ok(inside != 0)
    }

    /// Ends all that is in it now, with this exit code.
    pub(super) fn terminate(&self, code: u32) -> io::Result<()> {
        // SAFETY: the handle is open.
        worked(unsafe { TerminateJobObject(self.0.as_raw_handle(), code) })
    }

    /// Has the port told of what happens in it, under this key.
    pub(super) fn tell(&self, port: BorrowedHandle<'_>, key: usize) -> io::Result<()> {
        let told = JOBOBJECT_ASSOCIATE_COMPLETION_PORT {
            CompletionKey: ptr::without_provenance_mut(key),
            CompletionPort: port.as_raw_handle(),
        };
        self.set(JobObjectAssociateCompletionPortInformation, &told)
    }

    /// What the kernel counts now.
    pub(super) fn account(&self) -> io::Result<Account> {
        let basic =
            self.get::<JOBOBJECT_BASIC_ACCOUNTING_INFORMATION>(JobObjectBasicAccountingInformation)?;
        let peak = self
            .get::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>(JobObjectExtendedLimitInformation)?
            .PeakJobMemoryUsed;
        Ok(Account {
            active: basic.ActiveProcesses,
            total: basic.TotalProcesses,
            usage: (!wine::is_here()).then(|| Usage {
                cpu_user: ticks(basic.TotalUserTime),
                cpu_system: ticks(basic.TotalKernelTime),
                peak_memory: (peak != 0).then_some(peak as u64),
            }),
        })
    }

    /// The pids of all that is in it now.
    pub(super) fn pids(&self) -> io::Result<Vec<u32>> {
        const HEAD: usize = offset_of!(JOBOBJECT_BASIC_PROCESS_ID_LIST, ProcessIdList) / size_of::<usize>();
        let mut room = 64;
        loop {
            let mut list = vec![0usize; HEAD + room];
            let size = u32::try_from(size_of_val(list.as_slice())).unwrap_or(u32::MAX);
            // SAFETY: no more is written than the size that is told, and the elements are aligned as the structure is.
            let asked = worked(unsafe {
                QueryInformationJobObject(
                    self.0.as_raw_handle(),
                    JobObjectBasicProcessIdList,
                    list.as_mut_ptr().cast::<c_void>(),
                    size,
                    ptr::null_mut(),
                )
            });
            // SAFETY: the structure's head lies at the beginning of the list.
            let (assigned, listed) = unsafe {
                let head = list.as_ptr().cast::<JOBOBJECT_BASIC_PROCESS_ID_LIST>();
                ((*head).NumberOfAssignedProcesses as usize, (*head).NumberOfProcessIdsInList as usize)
            };
            match asked {
                Ok(()) if listed >= assigned => {
                    let pids = list[HEAD..].iter().take(listed);
                    return Ok(pids.filter_map(|&pid| u32::try_from(pid).ok()).collect());
                }
                Err(error) if error.raw_os_error() != Some(ERROR_MORE_DATA.cast_signed()) => {
                    return Err(error);
                }
                // It may have grown since.
                _ => room = (assigned + assigned / 2).max(room * 2),
            }
        }
    }

    fn set<T>(&self, class: JOBOBJECTINFOCLASS, value: &T) -> io::Result<()> {
        let size = u32::try_from(size_of::<T>()).unwrap_or(u32::MAX);
        // SAFETY: the callers' structure is the one of the class, and its size is told.
        worked(unsafe {
            let value = ptr::from_ref(value).cast::<c_void>();
            SetInformationJobObject(self.0.as_raw_handle(), class, value, size)
        })
    }

    fn get<T: Default>(&self, class: JOBOBJECTINFOCLASS) -> io::Result<T> {
        let mut value = T::default();
        let size = u32::try_from(size_of::<T>()).unwrap_or(u32::MAX);
        // SAFETY: the callers' structure is the one of the class, is made of numbers, and its size is told.
        worked(unsafe {
            let value = ptr::from_mut(&mut value).cast::<c_void>();
            QueryInformationJobObject(self.0.as_raw_handle(), class, value, size, ptr::null_mut())
        })?;
        Ok(value)
    }
}

impl AsHandle for Job {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

/// From 100 ns.
fn ticks(count: i64) -> Duration {
    Duration::from_nanos(count.unsigned_abs().saturating_mul(100))
}
