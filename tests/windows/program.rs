//! Runs the program, with a bound on how long it may take.

#[path = "../common/running.rs"]
mod running;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub(crate) use running::{Ran, collect, eventually, finish, spawner};

/// Longer than this, and the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The program, without any configuration of the account that runs the tests.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spawner"));
    command.env_remove("SPAWNER_CONFIG").env_remove("SPAWNER_LOG").env("APPDATA", r"C:\nonexistent");
    command.env("SPAWNER_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/windows-state"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn status_of(status: ExitStatus) -> i32 {
    status.code().unwrap()
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
