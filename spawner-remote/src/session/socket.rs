//! Where the sockets of our connections are: a short path, since the address of a socket is.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A path for a socket named so, in a folder that is this user's alone. Removes sockets of the dead.
pub(super) fn path(name: &str) -> io::Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime =
        runtime.filter(|folder| folder.is_absolute() && folder.is_dir() && folder.as_os_str().len() < 40);
    let folder = runtime.unwrap_or_else(|| "/tmp".into()).join(format!("spawner-{user}"));
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let there = fs::symlink_metadata(&folder)?;
    if !there.is_dir() || there.uid() != user || there.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!("{} is not ours alone", folder.display())));
    }
    tidy(&folder);
    Ok(folder.join(name))
}

/// Whoever was killed could not remove its socket.
fn tidy(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        if path.extension().is_some_and(|ending| ending == "ssh")
            && UnixStream::connect(&path).err().is_some_and(refused)
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::debug!(%error, path = %path.display(), "a dead socket stays");
        }
    }
}
