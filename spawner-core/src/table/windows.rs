//! Windows: process handles, and what the kernel says of this boot.
#![allow(
    unsafe_code,
    reason = "system calls through windows-sys, and one page that the kernel shows to everybody"
)]

use std::ffi::c_void;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::ptr;

use jiff::Timestamp;
use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemTimeOfDayInformation};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_SUCCESS, FILETIME, WAIT_TIMEOUT};
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RRF_SUBKEY_WOW6464KEY, RegGetValueW,
};
use windows_sys::Win32::System::RemoteDesktop::ProcessIdToSessionId;
use windows_sys::Win32::System::SystemInformation::{ComputerNamePhysicalDnsHostname, GetComputerNameExW};
use windows_sys::Win32::System::Threading::{
    GetProcessId, GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    WaitForSingleObject,
};
use windows_sys::w;

/// 100 ns since 1601: the time of day at which it started, which nobody changes afterwards.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let process = open(pid).ok()?;
    let mut times = [FILETIME::default(); 4];
    let [created, ended, kernel, user] = &mut times;
    // SAFETY: the handle is open and may be waited for and asked; each of the four is written to, and lives here.
    let runs = unsafe {
        // A process that has ended is there for as long as anybody has a handle of it.
        WaitForSingleObject(process.as_raw_handle(), 0) == WAIT_TIMEOUT
            && GetProcessTimes(process.as_raw_handle(), created, ended, kernel, user) != 0
    };
    runs.then(|| u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

/// Another user's, or a protected one.
pub(crate) fn is_hidden(pid: u32) -> bool {
    open(pid).is_err_and(|error| error.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed()))
}

fn open(pid: u32) -> io::Result<OwnedHandle> {
    // SAFETY: it takes numbers only.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE, 0, pid) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened above, and nobody else has it.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    // The lowest two bits of a pid do not count when it is opened: 4 is there, and 5 would be too.
    // SAFETY: the handle is open.
    let same = unsafe { GetProcessId(process.as_raw_handle()) } == pid;
    same.then_some(process).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The number of this boot, which the loader counts. Neither the machine's GUID nor `BootIdentifier` of
/// `SystemBootEnvironmentInformation` would do: these name the installation and the entry of the boot menu, and stay
/// the same. The boot time would change within a boot where the kernel moves it along with the clock.
///
/// An emulation that counts no boots (Wine) has its start in place of it, less what the clock was set by since.
///
/// A number that comes again, as after a machine was put back to an older state of its disk, does no harm: start times
/// are times of day, so processes of different boots differ all the same.
pub(crate) fn boot() -> String {
    match boot_number() {
        0 => boot_time().map(|time| format!("time-{time:x}")).unwrap_or_default(),
        number => format!("boot-{number}"),
    }
}

/// `BootId` of `KUSER_SHARED_DATA` (ntddk.h).
fn boot_number() -> u32 {
    const SHARED_PAGE: usize = 0x7ffe_0000;
    const BOOT_ID: usize = 0x2c4;
    // SAFETY: the page is mapped at this address in each process, readable, aligned and for all of its life, and has
    // this field there since Windows 8; Rust's standard library needs Windows 10.
    unsafe { ptr::with_exposed_provenance::<u32>(SHARED_PAGE + BOOT_ID).read_volatile() }
}

/// `SYSTEM_TIMEOFDAY_INFORMATION`, whose fields winternl.h keeps to itself.
#[repr(C)]
struct TimeOfDay {
    boot: i64,
    now: i64,
    zone_bias: i64,
    zone: u32,
    reserved: u32,
    boot_bias: u64,
    sleep_bias: u64,
}

fn boot_time() -> Option<i64> {
    let mut told = MaybeUninit::<TimeOfDay>::zeroed();
    let size = u32::try_from(size_of::<TimeOfDay>()).ok()?;
    // SAFETY: at most as many bytes are written as there are, and all patterns of bits are numbers.
    let told = unsafe {
        let status = NtQuerySystemInformation(
            SystemTimeOfDayInformation,
            told.as_mut_ptr().cast::<c_void>(),
            size,
            ptr::null_mut(),
        );
        if status < 0 {
            return None;
        }
        told.assume_init()
    };
    Some(told.boot.wrapping_sub_unsigned(told.boot_bias)).filter(|&time| time != 0)
}

pub(crate) fn when(start_time: u64) -> Option<String> {
    /// From 1601 to 1970, in 100 ns.
    const TO_UNIX: i128 = 116_444_736_000_000_000;
    let at = Timestamp::from_nanosecond((i128::from(start_time) - TO_UNIX) * 100).ok()?;
    Some(format!("{at:.2}"))
}

/// The GUID of the installation and the computer's name.
pub(crate) fn machine() -> String {
    format!("{}@{}", installation().unwrap_or_default(), computer().unwrap_or_default())
}

fn installation() -> Option<String> {
    let mut text = [0u16; 64];
    let mut size = u32::try_from(size_of_val(&text)).ok()?;
    // SAFETY: the names end with a zero, and no more is written than the size, in bytes, that is told.
    let status = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            w!("SOFTWARE\\Microsoft\\Cryptography"),
            w!("MachineGuid"),
            RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY,
            ptr::null_mut(),
            text.as_mut_ptr().cast::<c_void>(),
            &raw mut size,
        )
    };
    (status == ERROR_SUCCESS).then(|| up_to_zero(&text))
}

fn computer() -> Option<String> {
    let mut text = [0u16; 256];
    let mut size = u32::try_from(text.len()).ok()?;
    // SAFETY: no more is written than the size, in characters, that is told.
    let told =
        unsafe { GetComputerNameExW(ComputerNamePhysicalDnsHostname, text.as_mut_ptr(), &raw mut size) };
    (told != 0).then(|| up_to_zero(&text))
}

fn up_to_zero(text: &[u16]) -> String {
    let end = text.iter().position(|&unit| unit == 0).unwrap_or(text.len());
    String::from_utf16_lossy(&text[..end])
}

/// The session: pids are the whole machine's, but the names of kernel objects are a session's own.
pub(crate) fn namespaces() -> String {
    let mut session = 0;
    // SAFETY: one number is written, to a place of ours.
    let told = unsafe { ProcessIdToSessionId(std::process::id(), &raw mut session) };
    if told == 0 { String::new() } else { format!("session {session}") }
}

/// No mechanism here goes by marks.
pub(crate) fn remedy(task: crate::id::TaskId) -> Option<String> {
    Some(format!("spawner destroy {task}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_started_and_its_neighbours_in_number_are_not_it() {
        let pid = std::process::id();
        let started = start_time(pid).unwrap();
        assert_eq!(start_time(pid), Some(started));
        assert_eq!([1, 2, 3].map(|more| start_time(pid + more)), [None; 3]);
        assert!(!is_hidden(pid));
        let when: Timestamp = when(started).unwrap().parse().unwrap();
        let ago = Timestamp::now().duration_since(when);
        assert!((0..600).contains(&ago.as_secs()), "it started {ago:?} ago");
    }

    #[test]
    fn a_process_that_ended_has_not_started_although_its_handle_is_held() {
        let own = std::env::current_exe().unwrap();
        let mut other = std::process::Command::new(own)
            .arg("--list")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        other.wait().unwrap();
        assert_eq!(start_time(other.id()), None);
        assert!(!is_hidden(other.id()));
    }

    #[test]
    fn this_boot_machine_and_session_have_names_that_stay() {
        assert!(boot().starts_with("boot-") || boot().starts_with("time-"), "{}", boot());
        assert_eq!((boot(), machine(), namespaces()), (boot(), machine(), namespaces()));
        let machine = machine();
        let (guid, name) = machine.split_once('@').unwrap();
        assert!(guid.len() == 36 && !name.is_empty(), "{machine}");
        assert!(namespaces().starts_with("session "), "{}", namespaces());
    }
}
