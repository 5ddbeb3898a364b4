//! Unix: owners, modes and inodes.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::shell::typed;

/// As the XDG Base Directory Specification says, by which a relative `$XDG_STATE_HOME` does not count.
pub(in crate::journal) fn usual() -> Option<PathBuf> {
    let below = |folder: PathBuf| folder.join("spawner");
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder = state.filter(|folder| folder.is_absolute()).map(below);
    folder.or_else(|| {
        let home = std::env::home_dir().filter(|home| home.is_absolute())?;
        Some(below(home.join(".local/state")))
    })
}

pub(in crate::journal) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

pub(in crate::journal) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

pub(in crate::journal) fn open_plain(path: &Path, write: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(write).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a plain file")) }
}

pub(in crate::journal) fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

pub(in crate::journal) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(in crate::journal) fn is_foreign(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.uid() != rustix::process::geteuid().as_raw())
}

pub(in crate::journal) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(in crate::journal) fn remedy(path: &Path) -> String {
    format!("rm {}", typed(&path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_can_be_typed_whatever_the_name() {
        assert_eq!(remedy(Path::new("/home/a-b/.local/x")), "rm /home/a-b/.local/x");
        let folder = tempfile::tempdir().unwrap();
        for name in ["it's here", "$HOME", "a;b", "*"] {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            let typed = std::process::Command::new("sh").arg("-c").arg(remedy(&path)).status().unwrap();
            assert!(typed.success() && !path.exists(), "{name}");
        }
    }
}
