//! sysctl(3), for what has no wrapper.

#![allow(unsafe_code)] // A system call that writes to memory of ours.

use std::ffi::CStr;
use std::io;
use std::ptr;

/// What is at this place, be it as long as it may: the processes of a host, an environment.
pub(crate) fn read(place: &[libc::c_int]) -> io::Result<Vec<u8>> {
    // What is asked for may have grown between the two questions; a few tries, each with more room, are enough.
    const TRIES: usize = 8;
    for _ in 0..TRIES {
        let mut size = 0;
        ask(place, ptr::null_mut(), &mut size)?;
        size += size / 8 + 1024;
        match read_at_most(place, size) {
            Ok(told) => return Ok(told),
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("what sysctl(3) was asked for grows faster than it can be read"))
}

/// The same of what is at most `most` bytes long, for places that do not say how long it is.
pub(crate) fn read_at_most(place: &[libc::c_int], most: usize) -> io::Result<Vec<u8>> {
    let mut told = vec![0u8; most];
    let mut size = most;
    ask(place, told.as_mut_ptr().cast(), &mut size)?;
    told.truncate(size);
    Ok(told)
}

fn ask(place: &[libc::c_int], told: *mut libc::c_void, size: &mut usize) -> io::Result<()> {
    let mut place = place.to_vec();
    let length = libc::c_uint::try_from(place.len()).map_err(io::Error::other)?;
    // SAFETY: the place is as long as is told; `told` is null, or has room for `size` bytes, in which at most so many
    // are written.
    let done = unsafe { libc::sysctl(place.as_mut_ptr(), length, told, size, ptr::null_mut(), 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What has a name and is short.
pub(crate) fn named(name: &CStr) -> io::Result<Vec<u8>> {
    let mut told = vec![0u8; 1024];
    let mut size = told.len();
    // SAFETY: the name ends with a zero, and there is room for `size` bytes.
    let done = unsafe {
        libc::sysctlbyname(name.as_ptr(), told.as_mut_ptr().cast(), &raw mut size, ptr::null_mut(), 0)
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    told.truncate(size);
    Ok(told)
}

/// The same, of a text.
pub(crate) fn text(name: &CStr) -> Option<String> {
    let told = named(name).ok()?;
    let text = told.split(|&byte| byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty())
}
