//! What an engine leaves beside a container to wait for its first process: podman's conmon, Docker's containerd
//! shim; and one more conmon for every `podman exec`.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use spawner_core::ProcessIdentity;

/// Whether the process `pid` is such a one of the container `id`: by its program's name, and the id among its
/// arguments.
pub(super) fn is_of(pid: i32, id: &str) -> io::Result<bool> {
    let line = fs::read(format!("/proc/{pid}/cmdline"))?;
    let mut arguments = line.split(|&byte| byte == 0);
    let program = Path::new(OsStr::from_bytes(arguments.next().unwrap_or_default())).file_name();
    let program = program.unwrap_or_default().as_bytes();
    let right = program == b"conmon" || program.starts_with(b"containerd-shim");
    Ok(right && !id.is_empty() && arguments.any(|argument| argument == id.as_bytes()))
}

/// All of them that run now.
pub(super) fn all(id: &str) -> io::Result<Vec<ProcessIdentity>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // One that is gone by now, or hidden from this account, is none that could be told.
        if is_of(pid, id).unwrap_or(false) {
            found.extend(ProcessIdentity::of(pid.cast_unsigned()));
        }
    }
    Ok(found)
}
