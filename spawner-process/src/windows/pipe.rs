//! Pipes whose near end is asynchronous. Anonymous pipes cannot be, so these have names: random ones, which nobody else
//! can connect to, since the one connection that each has is made here.
#![allow(unsafe_code, reason = "system calls on pipes")]

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::{AsHandle, AsRawHandle as _, OwnedHandle};
use std::ptr;

use spawner_core::TaskId;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND,
    SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT,
    PeekNamedPipe,
};

use super::handle::{owned, wide, worked};

/// What a pipe holds of what was not read yet, in bytes.
const SIZE: u32 = 65_536;

/// Which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToTask,
    FromTask,
}

/// The near end, for overlapped use, and the far end, for ordinary use. No child inherits them.
pub(super) fn pipe(way: Way) -> io::Result<(OwnedHandle, OwnedHandle)> {
    // Task ids are random, and unique for all practical purposes.
    let name = format!(r"\\.\pipe\spawner-{}-{}", std::process::id(), TaskId::random());
    let text = wide(OsStr::new(&name));
    let access = if way == Way::ToTask { PIPE_ACCESS_OUTBOUND } else { PIPE_ACCESS_INBOUND };
    // SAFETY: the name ends with a zero and outlives the call. No attributes: not inheritable, the usual rights.
    let near = owned(unsafe {
        CreateNamedPipeW(
            text.as_ptr(),
            access | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            SIZE,
            SIZE,
            0,
            ptr::null(),
        )
    })?;
    let mut options = OpenOptions::new();
    // Without this flag, whoever serves the pipe could act as this user; we do it ourselves, and need no such thing.
    options.read(way == Way::ToTask).write(way == Way::FromTask).custom_flags(SECURITY_SQOS_PRESENT);
    Ok((near, options.open(&name)?.into()))
}

/// How many bytes can be read from it now.
pub(super) fn waiting(near: impl AsHandle) -> io::Result<usize> {
    let mut waiting = 0;
    // SAFETY: the handle is open; one number is written.
    worked(unsafe {
        let handle = near.as_handle().as_raw_handle();
        PeekNamedPipe(handle, ptr::null_mut(), 0, ptr::null_mut(), &raw mut waiting, ptr::null_mut())
    })?;
    Ok(waiting as usize)
}
