//! Engines that may be killed, and what is there according to one that nothing happens to.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use spawner_core::{Pull, Task, TaskSpec};
use spawner_podman::{PodmanConfig, PodmanSpawner};

pub(crate) const IMAGE: &str = "localhost/busybox:latest";

/// The address of the tests' engine. `None` where a person wants no tests with podman.
pub(crate) fn given() -> Option<String> {
    let skipped = std::env::var("SPAWNER_SKIP").unwrap_or_default();
    if skipped.split(',').any(|name| name.trim() == "podman") {
        println!("podman: skipped: SPAWNER_SKIP says so");
        return None;
    }
    let address = std::env::var("CONTAINER_HOST").unwrap_or_default();
    assert!(!address.is_empty(), "no engine: eval \"$(scripts/podman.sh up DIR)\", or SPAWNER_SKIP=podman");
    Some(address)
}

/// Another `podman system service` over the same storage, on a socket of its own.
pub(crate) struct Service {
    child: Child,
    socket: PathBuf,
}

impl Service {
    pub(crate) fn start(folder: &Path) -> Self {
        let socket = folder.join("engine.sock");
        let child = Self::serve(&socket);
        Self { child, socket }
    }

    fn serve(socket: &Path) -> Child {
        let address = format!("unix://{}", socket.display());
        let mut command = Command::new("podman");
        command.args(["system", "service", "--time=0", &address]).env_remove("CONTAINER_HOST");
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("podman is installed");
        until("the engine answers", || {
            let told = Command::new("podman").args(["--url", &address, "version"]).output();
            told.is_ok_and(|told| told.status.success())
        });
        child
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Not reaped yet, so the pid is its own.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("it has a pid");
        kill_process(pid, signal).expect("it can be signalled");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be reaped");
    }

    /// Starts it again at the same address.
    pub(crate) fn revive(&mut self) {
        std::fs::remove_file(&self.socket).expect("its socket can be removed");
        self.child = Self::serve(&self.socket);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("cannot end the engine {}: {error}", self.child.id());
        }
    }
}

/// A backend at that engine, with a state folder of its own.
pub(crate) fn backend(address: &str, folder: &Path) -> PodmanSpawner {
    let config = PodmanConfig {
        socket: Some(address.to_owned()),
        image: Some(IMAGE.to_owned()),
        pull: Pull::Never,
        network: Some("none".to_owned()),
        state_dir: Some(folder.join("state")),
        ..PodmanConfig::default()
    };
    PodmanSpawner::named("box", config).expect("the backend can be made")
}

/// A task of two processes that ignore the request to end.
pub(crate) fn stubborn() -> TaskSpec {
    use spawner_core::{Input, Output};
    let spec = TaskSpec::new(["sh", "-c", "trap '' TERM; sleep 60 & wait"]);
    spec.stdin(Input::Null).stdout(Output::Null).stderr(Output::Null)
}

/// The program of the engine at `address`.
pub(crate) fn podman(address: &str, args: &[&str]) -> Output {
    Command::new("podman").args(["--url", address]).args(args).output().expect("podman is installed")
}

/// The full ids of the containers of a task, according to the engine at `address`.
pub(crate) fn containers(address: &str, task: &Task) -> Vec<String> {
    let filter = format!("label=spawner.task={}", task.id());
    let told = podman(address, &["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8_lossy(&told.stdout).lines().map(str::to_owned).collect()
}

/// Whether the task's main process is alive, which the end of it is the end of the others.
pub(crate) fn is_alive(task: &Task) -> bool {
    let leader = task.record().leader.as_ref().expect("the engine is on this machine");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", leader.pid)).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let started = rest.split(' ').nth(19).and_then(|ticks| ticks.parse().ok());
    started == Some(leader.start_time) && !rest.starts_with('Z')
}

/// Whoever has the mark of the task in its environment whose container has this name.
pub(crate) fn marked(container: &str) -> Vec<u32> {
    let mark = format!("SPAWNER_TASK_ID={}", container.trim_start_matches("spawner-"));
    let is_marked = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_marked).collect()
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < give_up, "not within 20 seconds: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
