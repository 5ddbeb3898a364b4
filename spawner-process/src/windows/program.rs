//! Finds the file to execute, in the task's own PATH, and says how it is to be executed.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use spawner_core::{Error, ErrorKind, Result};

use super::environment;

/// What the system executes, or cmd.exe for it; in the order in which they are tried where PATHEXT says nothing.
const ENDINGS: [&str; 4] = [".COM", ".EXE", ".BAT", ".CMD"];

/// From this length on, a path is only understood with the prefix that keeps it from being looked at closer.
const LONG: usize = 248;

/// A file to execute.
#[derive(Debug)]
pub(super) struct Program {
    /// Absolute.
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ordinary,
    /// A script that cmd.exe runs.
    Batch,
    /// cmd.exe itself.
    Shell,
}

/// The program of this name, for a task with these variables in this folder. A name with a separator in it is a path,
/// seen from the task's folder. Unlike CreateProcess's search, neither the harness's folder nor the system's are searched
/// where PATH does not name them.
pub(super) fn find(name: &OsStr, block: &[u16], cwd: &Path) -> Result<Program> {
    let text = name.to_string_lossy();
    if text.ends_with(['.', ' ']) {
        // The system drops these from the end of a name, so it would execute another file than the one named.
        return Err(Error::new(ErrorKind::InvalidSpec, "execute", text.clone())
            .because("the name of a program cannot end with a dot or a space"));
    }
    let missing = || {
        Error::new(ErrorKind::ProgramNotFound, "execute", text.clone())
            .because(io::Error::from(io::ErrorKind::NotFound))
    };
    if text.contains(['/', '\\', ':']) {
        let path = absolute(&cwd.join(name))?;
        if path.is_dir() {
            return Err(
                Error::new(ErrorKind::NotExecutable, "execute", text.clone()).because("it is a folder")
            );
        }
        return in_place(&path, block).ok_or_else(missing);
    }
    let path = environment::find(block, "PATH").map(OsString::from_wide);
    // Without the variable, where the system's own programs are.
    let path = path.unwrap_or_else(|| system_folder().into());
    let folders = std::env::split_paths(&path).filter(|folder| !folder.as_os_str().is_empty());
    for folder in folders {
        let path = absolute(&cwd.join(folder).join(name))?;
        if let Some(found) = in_place(&path, block) {
            return Ok(found);
        }
    }
    Err(missing().hint("it is in no folder of the task's PATH"))
}

/// The file at this path, or beside it with one of the endings of programs.
fn in_place(path: &Path, block: &[u16]) -> Option<Program> {
    let with = |ending: &str| {
        let mut whole = path.as_os_str().to_owned();
        whole.push(ending);
        PathBuf::from(whole)
    };
    let ending = |path: &Path| {
        let text = path.as_os_str().to_string_lossy().to_ascii_uppercase();
        ENDINGS.into_iter().find(|ending| text.ends_with(ending))
    };
    let told = environment::find(block, "PATHEXT").map(String::from_utf16_lossy);
    let told = told.unwrap_or_else(|| ENDINGS.join(";")).to_ascii_uppercase();
    let tried = told.split(';').filter(|ending| ENDINGS.contains(ending)).map(with);
    let named = Some(path.to_owned());
    // A file with another ending is tried, too, and whether it is a program is for the system to say.
    let (first, last) = if ending(path).is_some() { (named, None) } else { (None, named) };
    let path = first.into_iter().chain(tried).chain(last).find(|path| path.is_file())?;
    let is_shell =
        path.file_name().is_some_and(|name| name.to_string_lossy().eq_ignore_ascii_case("cmd.exe"));
    let kind = match ending(&path) {
        Some(".BAT" | ".CMD") => Kind::Batch,
        _ if is_shell => Kind::Shell,
        _ => Kind::Ordinary,
    };
    Some(Program { path, kind })
}

/// Where the system's own programs are.
pub(super) fn system_folder() -> PathBuf {
    let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
    Path::new(&root).join("System32")
}

/// The path without `.` and `..`, from the root on.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io("find", path.display().to_string(), error))
}

/// The path in the form in which it may be long; short ones stay as they are.
pub(super) fn verbatim(path: &Path) -> PathBuf {
    let units: Vec<u16> = path.as_os_str().encode_wide().collect();
    let begins = |prefix: &str| units.starts_with(&prefix.encode_utf16().collect::<Vec<_>>());
    if units.len() < LONG || begins(r"\\?\") || begins(r"\\.\") {
        return path.to_owned();
    }
    let (prefix, rest) = if begins(r"\\") { (r"\\?\UNC\", &units[2..]) } else { (r"\\?\", &units[..]) };
    let mut long = OsString::from(prefix);
    long.push(OsString::from_wide(rest));
    long.into()
}
