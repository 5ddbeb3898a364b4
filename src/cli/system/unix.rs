//! Unix: everything is a descriptor.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use spawner::{Error, Result};

/// How many descriptors tokio takes for itself, with some to spare.
const DESCRIPTORS: usize = 8;

/// Whether there are descriptors left for an event loop.
pub(in crate::cli) fn have_descriptors() -> io::Result<()> {
    let spare: io::Result<Vec<OwnedFd>> =
        (0..DESCRIPTORS).map(|_| io::stdin().as_fd().try_clone_to_owned()).collect();
    spare.map(drop)
}

/// Waits for this long. Says whether nobody reads our standard output any more.
pub(in crate::cli) fn unread_after(pause: Duration) -> bool {
    let stdout = io::stdout();
    let mut polled = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty())];
    // One that does not fit has no bound to speak of.
    let timeout = Timespec::try_from(pause).ok();
    match poll(&mut polled, timeout.as_ref()) {
        // A signal woke us, if it did not end us.
        Err(_) | Ok(0) => false,
        Ok(_) => true,
    }
}

/// Opens what the path means where that is one of our open descriptors: a file that others write to as well, at its
/// end.
pub(in crate::cli) fn open_named_handle(path: &Path) -> Option<io::Result<File>> {
    let standard = ["/dev/stdout", "/dev/stderr", "/dev/stdin"];
    let named = standard.into_iter().any(|name| path == Path::new(name))
        || ["/dev/fd", "/proc/self/fd"].into_iter().any(|folder| path.parent() == Some(Path::new(folder)));
    named.then(|| OpenOptions::new().append(true).open(path))
}

/// Opens a device, or a pipe that somebody reads; does not wait for a reader.
pub(in crate::cli) fn open_device(path: &Path) -> Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let name = path.display().to_string();
    match OpenOptions::new().write(true).custom_flags(nonblocking).open(path) {
        Ok(file) => {
            // It is ours alone, so that nobody else is surprised that it waits again.
            fcntl_setfl(&file, OFlags::empty())
                .map_err(|error| Error::io("open the report", name, error.into()))?;
            Ok(file)
        }
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            Err(Error::io("open the report", name, error).hint("nobody reads it: start its reader first"))
        }
        Err(error) => Err(Error::io("open the report", name, error)),
    }
}
