//! One run: its folder, and a witness outside of the spawner of what is left of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::part::{LOCK, PART};

/// The variable by which all that comes from this run is known.
const MARK: &str = "SPAWNER_CRASH_RUN";
/// How soon nothing may run any more.
const SOON: Duration = Duration::from_secs(3);
/// The same where the harness first has to notice the death of a helper and to end by itself.
const LATER: Duration = Duration::from_secs(15);

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    mark: String,
}

impl Scene {
    pub(crate) fn set() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mark = folder.path().display().to_string();
        Ok(Self { folder, mark })
    }

    fn lock(&self) -> PathBuf {
        self.folder.path().join("lock")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts this program again, to play `part`.
    pub(crate) fn start(&self, part: &str) -> Result<Child, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.env(PART, part).env(LOCK, self.lock()).env(MARK, &self.mark);
        command.env("SPAWNER_STATE_DIR", self.state()).env_remove("RUST_BACKTRACE");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(|error| error.to_string())
    }

    pub(crate) fn await_ready(&self) -> Result<(), String> {
        let lock = self.lock();
        until("no task has come up", LATER, || {
            std::fs::metadata(&lock).is_ok_and(|file| file.len() > 0).then_some(()).ok_or_else(String::new)
        })
    }

    /// Waits until nothing of this run lives.
    pub(crate) fn no_process(&self, harness_ends_itself: bool) -> Result<(), String> {
        let patience = if harness_ends_itself { LATER } else { SOON };
        until("survivors", patience, || match (is_locked(&self.lock()), self.alive()) {
            (false, alive) if alive.is_empty() => Ok(()),
            (locked, alive) => {
                Err(format!("{alive:?}, the lock is held: {locked}, on record: {:?}", self.files()))
            }
        })
    }

    /// What is in the state folder.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.state()).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// What lives and has the mark, by `/proc`.
    fn alive(&self) -> Vec<String> {
        let mark = format!("{MARK}={}", self.mark);
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let describe = |pid: u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
            environment.split(|&byte| byte == 0).find(|one| *one == mark.as_bytes())?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let rest = &stat[stat.rfind(')')?..];
            let words = &stat[..stat.len() - rest.len()];
            (!rest.starts_with(") Z")).then(|| format!("{words}){}", rest.get(1..3).unwrap_or_default()))
        };
        pids.filter_map(describe).collect()
    }

    /// Has another process sweep.
    pub(crate) fn sweep(&self) -> Result<(), String> {
        let mut sweeper = self.start("sweep")?;
        let swept = until("the sweep does not end", LATER, || match sweeper.try_wait() {
            Ok(Some(status)) if status.success() => Ok(()),
            other => Err(format!("{other:?}")),
        });
        if swept.is_err() {
            sweeper.kill().and_then(|()| sweeper.wait()).map_err(|error| error.to_string())?;
        }
        swept
    }

    /// Waits until there is no process, no control group of this harness and no file; `before_a_sweep` the half of
    /// a record that was never renamed may lie about.
    pub(crate) fn nothing_left(&self, harness: u32, before_a_sweep: bool) -> Result<(), String> {
        self.no_process(false)?;
        until("left behind", SOON, || {
            let mut files = self.files();
            let is_half = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "tmp");
            files.retain(|file| !(before_a_sweep && is_half(file)));
            let groups = groups(harness);
            if files.is_empty() && groups.is_empty() {
                return Ok(());
            }
            Err(format!("files {files:?}, control groups {groups:?}"))
        })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Only after a failure is there anything; what is unreaped or alive here is found by its mark.
        let left = self.alive();
        if !left.is_empty() {
            eprintln!("alive at the end of a failed run, until their time is over: {left:?}");
        }
    }
}

/// Whether anything holds the lock of the file `path`.
pub(crate) fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| flock(file, FlockOperation::NonBlockingLockExclusive).is_err())
}

/// Looks again and again.
fn until(what: &str, patience: Duration, mut done: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        match done() {
            Ok(()) => return Ok(()),
            Err(why) if Instant::now() > deadline => return Err(format!("{what} after {patience:?}: {why}")),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// The control groups of a harness: `spawner-PID-…`.
fn groups(harness: u32) -> Vec<PathBuf> {
    let prefix = format!("spawner-{harness}-");
    let (mut found, mut open) = (Vec::new(), vec![PathBuf::from("/sys/fs/cgroup")]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    found.push(entry.path());
                }
                open.push(entry.path());
            }
        }
    }
    found
}
