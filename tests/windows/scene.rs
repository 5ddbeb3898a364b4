//! A folder in which every process of a task holds a file of its own, and who looks at it from outside.

use std::fs::{File, OpenOptions};
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::program::eventually;

/// What Windows says of a file that somebody else holds without sharing it.
const ERROR_SHARING_VIOLATION: i32 = 32;

/// One scene; its folder is gone after the test.
pub(crate) struct Scene(TempDir);

impl Scene {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The words that make a process of this test's executable the task `name`, in this scene.
    pub(crate) fn task(&self, name: &str) -> Vec<String> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let itself = text(&std::env::current_exe().unwrap());
        super::task::words(&itself, name, &text(self.folder()))
    }

    /// Waits until this many processes have said that they are here, and hold their files.
    pub(crate) fn wait_for(&self, count: usize) {
        let all = eventually(|| Some(()).filter(|()| self.held() == count));
        all.unwrap_or_else(|| panic!("{} of {count} processes hold their files", self.held()));
    }

    /// How many processes have ever been here.
    pub(crate) fn came(&self) -> usize {
        self.files().count()
    }

    /// How many of them are still alive.
    pub(crate) fn held(&self) -> usize {
        self.files().filter(|file| is_held(file)).count()
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        here(self.folder())
    }
}

/// The files of all processes that have ever been in the scene of this folder.
pub(crate) fn here(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "here"))
}

fn is_held(file: &Path) -> bool {
    match OpenOptions::new().write(true).open(file) {
        Ok(_) => false,
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => true,
        Err(error) => panic!("{}: {error}", file.display()),
    }
}

/// Holds a file of its own in the scene's folder for as long as this process lives.
pub(crate) fn hold(folder: &Path) -> File {
    let path = folder.join(format!("{}.here", std::process::id()));
    OpenOptions::new().write(true).create_new(true).share_mode(0).open(path).unwrap()
}
