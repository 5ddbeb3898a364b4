//! A far end that can have so many processes and no more: a control group around some of what a test starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::Way;

pub struct Bound {
    group: PathBuf,
    /// Whether what is started from now on is born in it.
    pub applies: Arc<AtomicBool>,
}

impl Bound {
    /// None, and the reason printed, where the host has no such control group.
    pub fn of(processes: u32) -> Option<Self> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("spawner-test-{}-{number}", std::process::id());
        // Of version 1, or of version 2 where that controller is passed on.
        let bases = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
        let base = bases.into_iter().find(|base| {
            Path::new(base).ends_with("pids") && Path::new(base).exists()
                || std::fs::read_to_string(format!("{base}/cgroup.subtree_control"))
                    .is_ok_and(|all| all.split_whitespace().any(|one| one == "pids"))
        });
        let Some(base) = base else {
            println!("skipped: no control group bounds the number of processes here");
            return None;
        };
        let group = Path::new(base).join(name);
        std::fs::create_dir(&group).unwrap();
        let bound = Self { group, applies: Arc::new(AtomicBool::new(true)) };
        bound.set(processes);
        Some(bound)
    }

    pub fn set(&self, processes: u32) {
        std::fs::write(self.group.join("pids.max"), processes.to_string()).unwrap();
    }

    /// How many there are in it, with those that nobody has reaped.
    pub fn count(&self) -> u32 {
        std::fs::read_to_string(self.group.join("pids.current")).unwrap().trim().parse().unwrap()
    }

    /// How many of them are no zombies.
    pub fn alive(&self) -> u32 {
        self.members().len().try_into().unwrap()
    }

    fn members(&self) -> Vec<Pid> {
        let text = std::fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|pid| pid.parse().ok()).filter_map(Pid::from_raw).collect()
    }

    fn kill(&self, pid: Pid) {
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        // Another's pid by now, where it is no member any more.
        if self.members().contains(&pid)
            && let Err(error) = pidfd_send_signal(handle, Signal::KILL)
        {
            println!("{pid:?}: {error}");
        }
    }

    /// Through sh on this machine, below the bound while that applies.
    pub fn way(&self) -> Way {
        let (members, applies) = (self.group.join("cgroup.procs"), Arc::clone(&self.applies));
        Box::new(move |text| {
            let join = if applies.load(Ordering::Relaxed) { r#"echo 0 >"$0"; "# } else { "" };
            let mut command = Command::new("sh");
            command.args(["-c", &format!(r#"{join}exec sh -c "$1""#)]).arg(&members).arg(text);
            command
        })
    }

    /// The same, with one more variable of the environment.
    pub fn way_with(&self, name: &'static str, value: &str) -> Way {
        let (way, value) = (self.way(), value.to_owned());
        Box::new(move |text| {
            let mut command = way(text);
            command.env(name, &value);
            command
        })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whatever the test got wrong; nothing can be made in there meanwhile.
            self.set(0);
            self.members().into_iter().for_each(|pid| self.kill(pid));
        }
        let deadline = std::time::Instant::now() + super::PATIENCE;
        while let Err(error) = std::fs::remove_dir(&self.group) {
            if std::time::Instant::now() > deadline {
                eprintln!("{}: {error}: {:?}", self.group.display(), self.members());
                assert!(std::thread::panicking(), "something is left in it");
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}
