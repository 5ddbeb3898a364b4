//! What the tests of this crate share: spawners of each mechanism, and the operating system as the witness.

#![allow(dead_code)] // Each test uses some of it.

pub(crate) mod freezer;

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use spawner_core::{Input, Output, Spawner, Task, TaskSpec, TaskStreams};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};
use tokio::io::AsyncReadExt as _;

/// How long anything may take that should be there at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A spawner of each of these mechanisms that this host has.
pub(crate) fn with(mechanisms: &[Choice]) -> Vec<ProcessSpawner> {
    let spawner = |&mechanism| {
        let state_dir = Some(PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/state")));
        ProcessSpawner::new(ProcessConfig { mechanism, state_dir, ..ProcessConfig::default() })
            .inspect_err(|error| eprintln!("skipped {}: {error}", mechanism.name()))
            .ok()
    };
    mechanisms.iter().filter_map(spawner).collect()
}

/// A file that every process of one task holds locked: whoever has inherited it is alive.
pub(crate) struct Witness {
    folder: tempfile::TempDir,
}

impl Witness {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("lock")
    }

    /// Whether anything holds it now. It is asked about, never taken: what this process holds for an instant, a child
    /// that another thread is just forking would hold for longer.
    pub(crate) fn is_held(&self) -> bool {
        let file = File::options().create(true).append(true).open(self.path()).unwrap();
        let mut lock = libc::flock {
            l_type: short(libc::F_WRLCK),
            l_whence: short(libc::SEEK_SET),
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).unwrap();
        lock.l_type != short(libc::F_UNLCK)
    }

    pub(crate) async fn let_go(&self) {
        poll("the lock is held", || !self.is_held()).await;
    }

    /// A program in Perl that takes the lock (F_OFD_SETLK, inherited as the file is: fcntl_locking(2)), says `ready` and goes on with `rest`.
    pub(crate) fn program(&self, rest: &str) -> String {
        format!(
            "$^F = 99; my $lock = '{}'; open(F, '>', $lock) or die; \
             my $whole = pack('ssx4qqix4', 1, 0, 0, 0, 0); fcntl(F, 37, $whole) or die; $| = 1; \
             print \"ready\\n\"; {rest}",
            self.path().display()
        )
    }

    /// Starts `program`, in Perl, with the lock as its file handle F, and returns when it has said `ready`.
    pub(crate) async fn start(&self, spawner: &ProcessSpawner, program: &str) -> (Task, TaskStreams) {
        let program = self.program(program);
        let spec = TaskSpec::new(["perl", "-e", &program]).stdin(Input::Stream).stdout(Output::Stream);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let mut streams = spawner.task_output(&task).await.unwrap();
        let mut ready = [0; 6];
        let read = streams.stdout.as_mut().unwrap().read_exact(&mut ready).await;
        if let Err(error) = read {
            panic!("{}: {error}: {:?}", spawner.mechanism().name(), spawner.wait_task(&task).await);
        }
        assert!(self.is_held(), "a witness that does not see the living is none");
        (task, streams)
    }
}

fn short(value: i32) -> i16 {
    value.try_into().expect("a small constant")
}

/// Waits until `done`, which says what is awaited by `what` where it takes too long.
pub(crate) async fn poll(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The helper that keeps a task: the parent of its main process, which must not have ended.
pub(crate) fn keeper_of(task: &Task) -> u32 {
    parent(task.record().leader.as_ref().unwrap().pid)
}

pub(crate) fn parent(pid: u32) -> u32 {
    field(pid, "PPid:").unwrap().parse().unwrap()
}

/// The children of a process that has one thread.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    listed.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// A line of `/proc/PID/status`.
pub(crate) fn field(pid: u32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim().to_owned())
}

/// Signals a helper; it is not reaped behind the test's back, for it lives.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

/// Processor time of a process in clock ticks, its ended children not counted.
pub(crate) fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The control groups, in every hierarchy, whose names begin with `prefix`.
pub(crate) fn groups(prefix: &str) -> Vec<PathBuf> {
    let mut find = Command::new("find");
    find.args(["/sys/fs/cgroup", "-type", "d", "-name", &format!("{prefix}*")]);
    let found = find.output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(PathBuf::from).collect()
}
