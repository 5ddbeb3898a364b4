//! macOS and FreeBSD.

#![allow(unsafe_code)] // dladdr(3), closefrom(2) and close(2).

use std::ffi::{CStr, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::net::SendFlags;
use rustix::process::{Pid, getppid};

pub(crate) use quiet::{QUIETLY, close_from_three, no_signal};

/// What this process runs. The file may have been replaced since, which is then what is started.
pub(crate) fn executable() -> io::Result<PathBuf> {
    std::env::current_exe()
}

pub(crate) fn is_in_executable(here: usize) -> bool {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: any address may be asked for, and there is room for the answer.
    if unsafe { libc::dladdr(std::ptr::without_provenance(here), found.as_mut_ptr()) } == 0 {
        // Without a loader, nothing has been loaded.
        return true;
    }
    // SAFETY: it was zeroed, which is a valid value, and then filled in.
    let name = unsafe { found.assume_init() }.dli_fname;
    if name.is_null() {
        return false;
    }
    // SAFETY: the loader's own name of what it has loaded, which ends with a zero and stays.
    let name = unsafe { CStr::from_ptr(name) };
    let file = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let own = std::env::current_exe().ok().and_then(|path| file(&path));
    own.is_some() && file(Path::new(OsStr::from_bytes(name.to_bytes()))) == own
}

/// There is nothing that wakes a stopped helper when its harness dies: it goes on when somebody else lets it.
#[allow(clippy::unnecessary_wraps, reason = "one interface for all systems")]
pub(crate) fn go_on_without_parent() -> io::Result<()> {
    Ok(())
}

/// It is known by its first argument.
#[allow(clippy::unnecessary_wraps, reason = "one interface for all systems")]
pub(crate) fn set_name(_: &CStr) -> io::Result<()> {
    Ok(())
}

/// The harness has just started this process. One that has died since is not the parent any more, and is told by end of
/// file alone.
pub(crate) fn maker(_: BorrowedFd<'_>) -> Option<Pid> {
    getppid().filter(|&parent| parent != Pid::INIT)
}

/// FreeBSD's calls have a flag for it, macOS's sockets an option.
#[cfg(target_os = "freebsd")]
mod quiet {
    use super::{AsFd, SendFlags, io};

    pub(crate) const QUIETLY: SendFlags = SendFlags::NOSIGNAL;

    #[allow(clippy::unnecessary_wraps, reason = "one interface for all systems")]
    pub(crate) fn no_signal(_: impl AsFd) -> io::Result<()> {
        Ok(())
    }

    /// See the Linux one.
    #[allow(clippy::unnecessary_wraps, reason = "one interface for all systems")]
    pub(crate) unsafe fn close_from_three() -> io::Result<()> {
        // SAFETY: they are nobody's, says the caller.
        unsafe { libc::closefrom(3) };
        Ok(())
    }
}

#[cfg(target_os = "macos")]
mod quiet {
    use super::{AsFd, SendFlags, io};

    pub(crate) const QUIETLY: SendFlags = SendFlags::empty();

    pub(crate) fn no_signal(socket: impl AsFd) -> io::Result<()> {
        Ok(rustix::net::sockopt::set_socket_nosigpipe(socket, true)?)
    }

    /// See the Linux one.
    pub(crate) unsafe fn close_from_three() -> io::Result<()> {
        let mut open: Vec<libc::c_int> = Vec::new();
        for entry in std::fs::read_dir("/dev/fd")? {
            open.extend(entry?.file_name().to_string_lossy().parse::<libc::c_int>().ok());
        }
        for descriptor in open.into_iter().filter(|&descriptor| descriptor > 2) {
            // What the list itself was read through is closed already.
            // SAFETY: they are nobody's, says the caller.
            if unsafe { libc::close(descriptor) } == -1
                && io::Error::last_os_error().raw_os_error() != Some(libc::EBADF)
            {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}
