//! Windows: everything is a handle.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use spawner::{Error, Result};

/// Whether an event loop can be made: a process may have 16 million handles ("Kernel Objects").
#[allow(clippy::unnecessary_wraps, reason = "elsewhere there may be none left")]
pub(in crate::cli) fn have_descriptors() -> io::Result<()> {
    Ok(())
}

/// Waits for this long. Who writes to a pipe is not told that nobody reads it until it writes again.
pub(in crate::cli) fn unread_after(pause: Duration) -> bool {
    std::thread::sleep(pause);
    false
}

/// Opens a device or a pipe by its name ("Naming Files, Paths, and Namespaces"), about which nothing can be asked
/// beforehand.
pub(in crate::cli) fn open_named_handle(path: &Path) -> Option<io::Result<File>> {
    let text = path.to_str()?;
    let devices = ["NUL", "CON", "CONOUT$"];
    let named = devices.into_iter().any(|name| text.eq_ignore_ascii_case(name)) || text.starts_with(r"\\.\");
    named.then(|| OpenOptions::new().write(true).open(path))
}

/// Opens a device, or a pipe that somebody reads.
pub(in crate::cli) fn open_device(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().write(true).open(path);
    opened.map_err(|error| Error::io("open the report", path.display().to_string(), error))
}
