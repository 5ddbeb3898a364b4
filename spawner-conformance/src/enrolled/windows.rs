//! Running as another user, which takes that one's password here.

use std::io;
use std::process::ExitStatus;

/// Says that it cannot be.
pub(super) fn run_as(_: &str, _: &[String]) -> io::Result<ExitStatus> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "on Windows this takes the user's password: use `runas`"))
}
