//! FreeBSD: sysctl(3). Start times are microseconds since the machine came up: what the kernel keeps. What it tells has
//! the boot time added, and that moves when the clock is set.

#![allow(unsafe_code)] // A structure that the kernel has filled in is read from its bytes.

use std::ffi::{CStr, c_char};
use std::io;
use std::mem::{offset_of, size_of};

use libc::kinfo_proc;

use super::{Entry, sysctl};

/// Every process that this user may see, in its own jail (security(7), `security.bsd.see_other_uids`).
pub fn all() -> io::Result<Vec<Entry>> {
    entries(&[libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PROC])
}

/// The process with this pid.
pub fn of(pid: u32) -> Option<Entry> {
    let all = entries(&[libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, pid.cast_signed()]).ok()?;
    all.into_iter().find(|entry| entry.pid == pid)
}

/// What the process was executed with.
pub fn environment(pid: u32) -> io::Result<Vec<u8>> {
    sysctl::read(&[libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_ENV, pid.cast_signed()])
}

/// When the machine came up, in microseconds since 1970, by the clock of now.
pub(crate) fn boot_time() -> io::Result<u64> {
    let told = sysctl::named(c"kern.boottime")?;
    if told.len() < size_of::<libc::timeval>() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: there are as many bytes as that structure has, and it is two numbers.
    micros(unsafe { told.as_ptr().cast::<libc::timeval>().read_unaligned() })
}

fn micros(time: libc::timeval) -> io::Result<u64> {
    let micros = i128::from(time.tv_sec) * 1_000_000 + i128::from(time.tv_usec);
    u64::try_from(micros).map_err(io::Error::other)
}

/// Somebody may set the clock while the list is read; then it is read again.
fn entries(place: &[libc::c_int]) -> io::Result<Vec<Entry>> {
    const TRIES: usize = 8;
    for _ in 0..TRIES {
        let boot = boot_time()?;
        let told = sysctl::read(place)?;
        if boot_time()? == boot {
            return Ok(parse(&told, boot));
        }
    }
    Err(io::Error::other("the clock is being set all the time"))
}

fn parse(told: &[u8], boot: u64) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut rest = told;
    // Each says how long it is; a newer kernel may have added to its end.
    while let Some((size, _)) = rest.split_first_chunk::<4>() {
        let size = usize::try_from(u32::from_ne_bytes(*size)).unwrap_or_default();
        // What is read of it must be there.
        if size < offset_of!(kinfo_proc, ki_sparestrings) || rest.len() < size {
            break;
        }
        let (own, more) = rest.split_at(size);
        all.extend(entry(own, boot));
        rest = more;
    }
    all
}

fn entry(told: &[u8], boot: u64) -> Option<Entry> {
    let mut bytes = [0u8; size_of::<kinfo_proc>()];
    let length = told.len().min(bytes.len());
    bytes[..length].copy_from_slice(&told[..length]);
    // SAFETY: there are as many bytes as that structure has, and it is numbers and raw pointers, which are not followed.
    let process = unsafe { bytes.as_ptr().cast::<kinfo_proc>().read_unaligned() };
    Some(Entry {
        pid: u32::try_from(process.ki_pid).ok()?,
        parent: u32::try_from(process.ki_ppid).ok()?,
        group: u32::try_from(process.ki_pgid).ok()?,
        session: u32::try_from(process.ki_sid).ok()?,
        start_time: micros(process.ki_start).ok()?.checked_sub(boot)?,
        name: text(&process.ki_comm),
        dead: process.ki_stat == libc::SZOMB,
        stopped: process.ki_stat == libc::SSTOP,
    })
}

fn text(text: &[c_char]) -> String {
    let bytes: Vec<u8> = text.iter().map(|&byte| byte.to_ne_bytes()[0]).collect();
    CStr::from_bytes_until_nul(&bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}
