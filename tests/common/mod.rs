//! Runs the program as a user would, with a bound on how long it may take.
#![allow(dead_code, reason = "every test file uses another part of it")]

pub(crate) mod records;

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than this, and the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// What became of one run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

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

/// Runs the program with these arguments.
pub(crate) fn spawner<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    finish(command().args(arguments))
}

/// `spawner run`, these options, `-- sh -c SCRIPT`.
pub(crate) fn run_sh(options: &[&str], script: &str) -> Ran {
    spawner(["run"].iter().chain(options).chain(&["--", "sh", "-c", script]))
}

/// Runs it to its end, and reads all that it says.
pub(crate) fn finish(command: &mut Command) -> Ran {
    let began = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    collect(child, began)
}

/// Waits for a started one, and for the end of all that it says.
pub(crate) fn collect(mut child: Child, began: Instant) -> Ran {
    let stdout = read(child.stdout.take().unwrap());
    let stderr = read(child.stderr.take().unwrap());
    let Some(status) = eventually(|| child.try_wait().unwrap()) else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("it did not end within {LIMIT:?}: {:?}", stderr.recv_timeout(LIMIT));
    };
    let took = began.elapsed();
    let status = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
    let all = |stream: Receiver<String>| {
        stream.recv_timeout(LIMIT).expect("nothing that it left holds its standard streams open")
    };
    Ran { status, stdout: all(stdout), stderr: all(stderr), took }
}

/// Reads a stream to its end, beside us.
fn read(mut stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        // Where nobody waits any more, the test has failed already.
        drop(sender.send(String::from_utf8_lossy(&bytes).into_owned()));
    });
    receiver
}

/// Asks until there is an answer, or the time is up.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
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
