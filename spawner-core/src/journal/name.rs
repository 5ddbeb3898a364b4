//! A name that somebody is about to give to a task.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::file::{is_at, make, open_plain, private, remove, try_lock};
use super::place::Journal;
use crate::error::{Error, ErrorKind, Result};

/// The ending of the file that is held.
pub(super) const ENDING: &str = "name";

/// Whether a task may be called this: no word that a shell, a table, an option or a path could misread.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=64).contains(&name.len()) && !name.starts_with('-') && name.chars().all(plain)
}

/// The right to give a task this name, until it is dropped; the system gives it back when its holder dies.
#[derive(Debug)]
pub struct NameHold {
    path: PathBuf,
    /// Locked.
    _file: File,
}

impl Journal {
    /// Takes the right to give a task this name, so that of two who find at once that no task has it, one waits for the
    /// other: for at most `patience`, in which it blocks. Other names have nothing to do with it. `None` where nothing can
    /// be on record, since there is no folder. Refuses what is no [plain name](is_plain_name).
    pub fn hold_name(&self, name: &str, patience: Duration) -> Result<Option<NameHold>> {
        if !is_plain_name(name) {
            let name = format!("`{}`", name.escape_debug());
            return Err(
                Error::new(ErrorKind::InvalidSpec, "call a task", name).because("it is no plain name")
            );
        }
        let Some(folder) = self.folder() else { return Ok(None) };
        let path = folder.join(format!("{name}.{ENDING}"));
        let failed = |source| Error::io("hold the name of a task by", path.display().to_string(), source);
        make(folder).map_err(failed)?;
        let deadline = Instant::now() + patience;
        loop {
            let file = open(&path).map_err(failed)?;
            if try_lock(&file).map_err(failed)? {
                // Whoever had it before may have removed the file.
                if is_at(&file, &path).map_err(failed)? {
                    return Ok(Some(NameHold { path, _file: file }));
                }
            } else if Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            } else {
                let why = format!("somebody else has been starting a task of this name for {patience:?}");
                return Err(failed(io::Error::new(io::ErrorKind::TimedOut, why)));
            }
        }
    }
}

impl Drop for NameHold {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the file of a name stays until the next sweep");
        }
    }
}

/// Removes the file of a name that nobody holds any more: whoever did is dead.
pub(super) fn remove_abandoned(path: &Path) -> io::Result<()> {
    match open_plain(path, true) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        // Held until it is gone, or the next one would hold what is not there.
        Ok(file) => {
            if try_lock(&file)? && is_at(&file, path)? {
                remove(path)
            } else {
                Ok(())
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_a_name_until_it_is_dropped_and_nothing_stays() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::at(folder.path().join("state"));
        let take = |name| journal.hold_name(name, Duration::ZERO);
        let held = take("web").unwrap().unwrap();
        assert_eq!(take("web").unwrap_err().kind(), ErrorKind::TimedOut);
        drop(take("other").unwrap().unwrap());
        drop(held);
        drop(take("web").unwrap().unwrap());
        let left: Vec<_> = std::fs::read_dir(journal.folder().unwrap()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(take("../web").unwrap_err().kind(), ErrorKind::InvalidSpec);
        assert!(Journal::none().hold_name("web", Duration::ZERO).unwrap().is_none());
    }

    #[test]
    fn what_a_dead_holder_left_is_removed_and_what_is_held_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::at(folder.path());
        let held = journal.hold_name("held", Duration::ZERO).unwrap();
        std::fs::write(folder.path().join("left.name"), "").unwrap();
        journal.tidy().unwrap();
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["held.name"]);
        drop(held);
    }
}
