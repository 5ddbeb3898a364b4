//! A door: where other harnesses get in touch with a keeper. It is opened when somebody knocks (SIGUSR1), and
//! closed when the last guest has left, so that nothing lies about.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};

use crate::linux::wire::Wire;

/// The folder and the name of a door.
pub(crate) fn place(door: &Path) -> io::Result<(OwnedFd, OsString)> {
    let (Some(folder), Some(name)) = (door.parent(), door.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
    Ok((rustix::fs::open(folder, flags, Mode::empty())?, name.to_owned()))
}

/// The address of a door: a path of any length, made short enough for a socket (unix(7)).
pub(crate) fn path_in(folder: BorrowedFd<'_>, name: &OsString) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name)
}

/// A keeper's open door, and who came in.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
    listener: OwnedFd,
    pub(crate) guests: Vec<Wire>,
}

impl Door {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        // One that another keeper of this pid left is nobody's.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (folder, name) = place(&path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        bind(&listener, &SocketAddrUnix::new(path_in(rustix::fd::AsFd::as_fd(&folder), &name))?)?;
        let door = Self { path, listener, guests: Vec::new() };
        listen(&door.listener, 16)?;
        Ok(door)
    }

    pub(crate) fn listener(&self) -> &OwnedFd {
        &self.listener
    }

    /// Lets in who waits, if it is this user or root. Returns how many are new.
    pub(crate) fn admit(&mut self) -> io::Result<usize> {
        let before = self.guests.len();
        loop {
            match accept_with(&self.listener, SocketFlags::CLOEXEC) {
                Ok(guest) => {
                    let user = rustix::net::sockopt::socket_peercred(&guest)?.uid;
                    if user == rustix::process::geteuid() || user.is_root() {
                        self.guests.push(Wire::new(guest)?);
                    }
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(self.guests.len() - before)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "a door stays until the next sweep");
        }
    }
}
