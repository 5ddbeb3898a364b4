//! Runs the program, with a bound on how long it may take.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than this, and the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What became of one run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// The program, without any configuration of the account that runs the tests.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spawner"));
    command.env_remove("SPAWNER_CONFIG").env_remove("SPAWNER_LOG").env("APPDATA", r"C:\nonexistent");
    command.env("SPAWNER_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/windows-state"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program with these arguments.
pub(crate) fn spawner<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    finish(command().args(arguments))
}

/// Runs it to its end, and reads all that it says.
pub(crate) fn finish(command: &mut Command) -> Ran {
    let began = Instant::now();
    let child = command.spawn().unwrap();
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
    let all = |stream: Receiver<String>| {
        stream.recv_timeout(LIMIT).expect("nothing that it left holds its standard streams open")
    };
    Ran { status: status.code().unwrap(), stdout: all(stdout), stderr: all(stderr), took }
}

/// A run whose output goes to files: what the system starts for it may hold them open for as long as it likes.
pub(crate) struct Filed {
    child: Child,
    began: Instant,
    files: [PathBuf; 2],
}

impl Filed {
    pub(crate) fn start(command: &mut Command, folder: &Path) -> Self {
        let files = ["stdout", "stderr"].map(|name| folder.join(name));
        let [stdout, stderr] = [&files[0], &files[1]].map(|file| File::create(file).unwrap());
        let began = Instant::now();
        let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
        Self { child, began, files }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        let status = eventually(|| self.child.try_wait().unwrap());
        let took = self.began.elapsed();
        if status.is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        let [stdout, stderr] = self.files.each_ref().map(|file| std::fs::read_to_string(file).unwrap());
        let status = status.unwrap_or_else(|| panic!("it did not end within {LIMIT:?}: {stdout}\n{stderr}"));
        Ran { status: status.code().unwrap(), stdout, stderr, took }
    }
}

/// Reads a stream to its end, beside us.
fn read(mut stream: impl Read + Send + 'static) -> Receiver<String> {
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
        thread::sleep(Duration::from_millis(5));
    }
}
