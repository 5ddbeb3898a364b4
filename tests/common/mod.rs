//! Runs the program as a user would, with a bound on how long it may take.
#![allow(dead_code, unused_imports, reason = "every test file uses another part of it")]

pub(crate) mod records;
mod running;
pub(crate) mod screen;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

pub(crate) use running::{Ran, collect, eventually, finish, spawner};

/// Longer than this, and the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The program, without any configuration and state of the account that runs the tests.
pub(crate) fn command() -> Command {
    let mut command = other(env!("CARGO_BIN_EXE_spawner"));
    command.env_remove("SPAWNER_CONFIG").env_remove("SPAWNER_LOG").env("XDG_CONFIG_HOME", "/nonexistent");
    command.stdin(Stdio::null());
    command
}

/// Another program that starts ours, with a state folder of the tests.
pub(crate) fn other(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("SPAWNER_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"));
    command
}

/// The status, or the negative of the signal that ended it.
fn status_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

/// `spawner run`, these options, `-- sh -c SCRIPT`.
pub(crate) fn run_sh(options: &[&str], script: &str) -> Ran {
    spawner(["run"].iter().chain(options).chain(&["--", "sh", "-c", script]))
}

/// The processes of which one argument is `mark`.
pub(crate) fn alive(mark: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    let has_mark = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0).any(|argument| argument == mark.as_bytes())
    };
    pids.filter(has_mark).collect()
}

/// An argument that no other process on this machine has: for `sleep`, a number.
pub(crate) fn mark() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("86400.{}{:03}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A folder that is gone after the test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}
