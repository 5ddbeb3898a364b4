//! The witness: a lock that everything a task makes inherits. It is free when all of that is gone.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

pub struct Witness {
    folder: tempfile::TempDir,
}

impl Witness {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let witness = Self { folder };
        File::create(witness.path()).unwrap();
        for (path, mode) in [(witness.folder.path().to_owned(), 0o777), (witness.path(), 0o666)] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        }
        witness
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("lock")
    }

    /// A script in front of `script` that takes the lock, for all that comes after.
    pub fn hold(&self, script: &str) -> String {
        format!("exec 9<>'{}'; flock -s 9; {script}", self.path().display())
    }

    /// Who holds it.
    pub fn holders(&self) -> Vec<u32> {
        let path = self.path();
        let holds =
            |pid: &u32| std::fs::read_link(format!("/proc/{pid}/fd/9")).is_ok_and(|file| file == path);
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(holds).collect()
    }

    pub fn all_gone(&self) -> bool {
        let file = OpenOptions::new().read(true).write(true).open(self.path()).unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
    }
}
