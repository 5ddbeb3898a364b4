//! The outer jail of a cell: a bound on the number of processes, and an end to everything afterwards.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::peers::raw::own_group;

/// The widest workload, a storm and whatever tracks them.
const BOUND: u32 = 700;
/// Several of those, since cells are played side by side; with zombies that fall to an init which is in no hurry.
const BOUND_OF_SERVER: u32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(10);

/// Control groups that everything of one cell is born in.
#[derive(Debug)]
pub(crate) struct Jail {
    /// Bounds the processes; the same as the other where there is version 2 only.
    bound: PathBuf,
    /// Ends them.
    group: PathBuf,
}

impl Jail {
    pub(crate) fn make(name: &str) -> Result<Self, String> {
        Self::bounded(name, BOUND)
    }

    fn bounded(name: &str, bound_on_processes: u32) -> Result<Self, String> {
        let group = own_group()?.join(name);
        let bound = match pids_of_version_1() {
            Some(pids) => pids.join(name),
            None => group.clone(),
        };
        let jail = Self { bound, group };
        for folder in jail.folders() {
            std::fs::create_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        std::fs::write(jail.bound.join("pids.max"), bound_on_processes.to_string())
            .map_err(|error| format!("no bound on the number of processes can be set: {error}"))?;
        Ok(jail)
    }

    /// Both groups, each once.
    pub(crate) fn folders(&self) -> Vec<&Path> {
        let mut folders = vec![self.bound.as_path(), self.group.as_path()];
        folders.dedup();
        folders
    }

    /// Waits until nobody is in it, and no longer than this.
    pub(crate) fn left_within(&self, patience: Duration) {
        let give_up = Instant::now() + patience;
        while !members(&self.bound).is_empty() && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends everything in it and removes it.
    pub(crate) fn end(&self) -> Result<(), String> {
        let failed = |what: &Path, error: std::io::Error| format!("{}: {error}", what.display());
        let give_up = Instant::now() + PATIENCE;
        // Nothing in it can fork from here on.
        std::fs::write(self.bound.join("pids.max"), "0").map_err(|error| failed(&self.bound, error))?;
        let kill = self.group.join("cgroup.kill");
        std::fs::write(&kill, "1").map_err(|error| failed(&kill, error))?;
        loop {
            for pid in members(&self.bound) {
                self.kill(pid)?;
            }
            match self.folders().into_iter().try_for_each(remove) {
                Ok(()) => return Ok(()),
                Err(why) if Instant::now() > give_up => return Err(why),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn kill(&self, pid: i32) -> Result<(), String> {
        let Some(pid) = Pid::from_raw(pid) else { return Ok(()) };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
        // Another's pid by now, where it is no member any more.
        if !members(&self.bound).contains(&pid.as_raw_nonzero().get()) {
            return Ok(());
        }
        match pidfd_send_signal(handle, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(format!("kill {pid:?}: {errno}")),
        }
    }
}

/// A jail around a server that was there before it, for what that forks from here on.
#[derive(Debug)]
pub(crate) struct Guarded {
    jail: Jail,
    server: String,
}

impl Guarded {
    pub(crate) fn begin(server: String) -> Result<Self, String> {
        let jail = Jail::bounded(&format!("compare-{}-server", std::process::id()), BOUND_OF_SERVER)?;
        let guarded = Self { jail, server };
        guarded.move_to(&guarded.jail.folders())?;
        Ok(guarded)
    }

    /// Lets the server go, and ends whatever else is there.
    pub(crate) fn end(&self) -> Result<(), String> {
        let outside: Vec<_> = self.jail.folders().into_iter().filter_map(Path::parent).collect();
        self.move_to(&outside)?;
        self.jail.end()
    }

    fn move_to(&self, groups: &[&Path]) -> Result<(), String> {
        groups.iter().try_for_each(|group| {
            let members = group.join("cgroup.procs");
            std::fs::write(&members, &self.server).map_err(|error| format!("{}: {error}", members.display()))
        })
    }
}

fn members(group: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Removes a group and those below it, the deepest first.
fn remove(group: &Path) -> Result<(), String> {
    let Ok(entries) = std::fs::read_dir(group) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path())?;
        }
    }
    match std::fs::remove_dir(group) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", group.display()))
        }
        _ => Ok(()),
    }
}

/// This process's own group of the pids controller, where that is of version 1.
pub(crate) fn pids_of_version_1() -> Option<PathBuf> {
    version_1("pids")
}

/// This process's own group of a controller of version 1.
fn version_1(controller: &str) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| {
        fields.get(2) == Some(&"cgroup")
            && fields.get(3).is_some_and(|options| options.split(',').any(|option| option == controller))
    })?;
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let named = fields.next()?.split(',').any(|name| name == controller);
        fields.next().filter(|_| named)
    })?;
    Some(Path::new(mount[1]).join(own.trim_start_matches('/')))
}
