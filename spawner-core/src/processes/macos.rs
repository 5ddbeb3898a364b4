//! macOS: sysctl(3). Start times are microseconds since 1970 by the clock of that time, which nobody changes afterwards.

use std::io;

use rustix::process::{Pid, getsid};

use super::{Entry, darwin, sysctl};

/// Every process of this host, whoever's it is.
pub fn all() -> io::Result<Vec<Entry>> {
    let told = sysctl::read(&[libc::CTL_KERN, libc::KERN_PROC, KERN_PROC_ALL, 0])?;
    let mut all = darwin::entries(&told);
    all.iter_mut().for_each(add_session);
    Ok(all)
}

/// The process with this pid.
pub fn of(pid: u32) -> Option<Entry> {
    let told = sysctl::read(&[libc::CTL_KERN, libc::KERN_PROC, KERN_PROC_PID, pid.cast_signed()]).ok()?;
    let mut entry = darwin::entries(&told).into_iter().find(|entry| entry.pid == pid)?;
    add_session(&mut entry);
    Some(entry)
}

/// `KERN_PROC_ALL` and `KERN_PROC_PID` of sys/sysctl.h, which libc leaves out.
const KERN_PROC_ALL: libc::c_int = 0;
const KERN_PROC_PID: libc::c_int = 1;

/// The list has a pointer in place of the session's id, and a zombie has left its session.
fn add_session(entry: &mut Entry) {
    if let Some(pid) = Pid::from_raw(entry.pid.cast_signed())
        && let Ok(session) = getsid(Some(pid))
    {
        entry.session = session.as_raw_nonzero().get().cast_unsigned();
    }
}

/// What the process was executed with. Another user's is an error; of a program that the system protects (those in
/// `/bin` and `/usr/bin`), nothing is told and it looks empty.
pub fn environment(pid: u32) -> io::Result<Vec<u8>> {
    // The kernel does not say how long this one's answer will be, only what it is at most.
    let most = sysctl::read_at_most(&[libc::CTL_KERN, libc::KERN_ARGMAX], 4)?;
    let most = most.try_into().map(u32::from_ne_bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    let most = usize::try_from(most).map_err(io::Error::other)?;
    let told = sysctl::read_at_most(&[libc::CTL_KERN, libc::KERN_PROCARGS2, pid.cast_signed()], most)?;
    darwin::environment(&told).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
