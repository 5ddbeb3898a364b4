//! The state folder of one case, so that cases, and suites side by side, do not see one another's journals, and
//! none writes into the user's own.
#![allow(unsafe_code)] // Setting a variable of the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable by which every backend finds its state folder.
pub(crate) const VARIABLE: &str = "SPAWNER_STATE_DIR";

/// Where backends that are made while this lives, here and in harnesses, keep their state.
pub(crate) struct StateFolder {
    _folder: tempfile::TempDir,
    before: Option<OsString>,
}

impl StateFolder {
    /// Makes one; `state` in it is not there yet, as on a fresh machine.
    pub(crate) fn set() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("spawner-state-").tempdir()?;
        let path = std::path::absolute(folder.path().join("state"))?;
        let before = std::env::var_os(VARIABLE);
        put(Some(path.as_os_str().to_owned()));
        Ok(Self { _folder: folder, before })
    }

    /// The one that is set.
    pub(crate) fn current() -> PathBuf {
        std::env::var_os(VARIABLE).map(PathBuf::from).unwrap_or_default()
    }
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        put(self.before.take());
    }
}

fn put(value: Option<OsString>) {
    // SAFETY: the suite and the backends that it makes read the environment by std::env alone, whose functions
    // exclude one another.
    unsafe {
        match value {
            Some(value) => std::env::set_var(VARIABLE, value),
            None => std::env::remove_var(VARIABLE),
        }
    }
}

/// The names of the files in a state folder; one that is not there has none.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Has every record been written long ago.
pub(crate) fn age(folder: &Path) -> std::io::Result<()> {
    let files = files(folder).into_iter().map(|name| folder.join(name));
    for page in files.filter(|path| path.extension().is_some_and(|ending| ending == "task")) {
        let text = match std::fs::read_to_string(&page) {
            // Whoever saw the end of the task has closed it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            read => read?,
        };
        let (opening, notes) = text.split_once('\n').unwrap_or((&text, ""));
        let mut opening: serde_json::Value = serde_json::from_str(opening)?;
        opening["created"] = "2020-01-01T00:00:00Z".into();
        std::fs::write(&page, format!("{opening}\n{notes}"))?;
    }
    Ok(())
}
