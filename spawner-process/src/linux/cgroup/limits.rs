//! Limits: through the version 2 controllers where they are delegated, else through version 1.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spawner_core::Limits;

use super::{Tables, group::remove_tree};

/// Through what each limit can be set; `None` where it cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limiters {
    pub(crate) memory: Option<Limiter>,
    pub(crate) pids: Option<Limiter>,
    pub(crate) cpu: Option<Limiter>,
}

/// Where a controller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Limiter {
    /// In the version 2 group of the task.
    V2,
    /// In a group of version 1, below this folder.
    V1(PathBuf),
}

impl Limiters {
    /// Finds out what this host gives to groups below `parent` (version 2), where there is one.
    pub(crate) fn probe(parent: Option<&Path>) -> Self {
        let tables = Tables::read().ok();
        let delegated = parent.map(delegated).unwrap_or_default();
        let find = |name: &str| {
            if delegated.split_ascii_whitespace().any(|own| own == name) {
                return Some(Limiter::V2);
            }
            let hierarchy = tables.as_ref()?.version_1(name).filter(|found| !found.read_only)?;
            writable(&hierarchy.own).then_some(Limiter::V1(hierarchy.own))
        };
        Self { memory: find("memory"), pids: find("pids"), cpu: find("cpu") }
    }
}

impl Limiters {
    /// The folders of version 1 in which groups with limits are made.
    pub(crate) fn folders() -> Vec<PathBuf> {
        let Ok(tables) = Tables::read() else { return Vec::new() };
        let found = ["memory", "pids", "cpu"].map(|name| tables.version_1(name).map(|found| found.own));
        found.into_iter().flatten().collect()
    }
}

/// The controllers that groups below `parent` have or can be given: all of `parent`'s, unless it has
/// processes of its own (the "no internal processes" rule), in which case those it passes on already.
fn delegated(parent: &Path) -> String {
    let read = |file: &str| fs::read_to_string(parent.join(file)).unwrap_or_default();
    let is_root = !parent.join("cgroup.type").exists();
    if (is_root || read("cgroup.procs").trim().is_empty()) && writable(&parent.join("cgroup.subtree_control"))
    {
        read("cgroup.controllers")
    } else {
        read("cgroup.subtree_control")
    }
}

fn writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// The groups that hold one task's limits.
#[derive(Debug, Default)]
pub(crate) struct LimitGroups {
    v1: Vec<PathBuf>,
    /// The version 2 group, where that one has a limit.
    v2: Option<PathBuf>,
    memory: Option<PathBuf>,
}

impl LimitGroups {
    /// What the names of the groups begin with that belong to the tasks of one keeper, which is known by its
    /// supervisor and its index there.
    pub(crate) fn prefix(supervisor: u32, keeper: u64) -> String {
        format!("spawner-{supervisor}-{keeper}-")
    }

    /// Sets `limits` for a task; `name` is new in every hierarchy, `group` its version 2 group.
    pub(crate) fn create(
        limits: &Limits,
        by: &Limiters,
        name: &str,
        group: Option<&Path>,
    ) -> io::Result<Self> {
        let mut groups = Self::default();
        match groups.set_up(limits, by, name, group) {
            Ok(()) => Ok(groups),
            Err(error) => {
                groups.remove()?;
                Err(error)
            }
        }
    }

    fn set_up(&mut self, limits: &Limits, by: &Limiters, name: &str, group: Option<&Path>) -> io::Result<()> {
        if let Some(memory) = limits.memory {
            match self.place(by.memory.as_ref(), "memory", name, group)? {
                Placed::V2(path) => {
                    write(&path, "memory.max", memory)?;
                    write_if_there(&path, "memory.swap.max", 0)?;
                    self.memory = Some(path);
                }
                Placed::V1(path) => {
                    write(&path, "memory.limit_in_bytes", memory)?;
                    write_if_there(&path, "memory.memsw.limit_in_bytes", memory)?;
                    self.memory = Some(path);
                }
            }
        }
        if let Some(pids) = limits.pids {
            let (Placed::V1(path) | Placed::V2(path)) = self.place(by.pids.as_ref(), "pids", name, group)?;
            write(&path, "pids.max", pids)?;
        }
        if let Some(cpus) = limits.cpus {
            const PERIOD: f64 = 100_000.0;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let quota = (cpus * PERIOD).max(1000.0) as u64;
            match self.place(by.cpu.as_ref(), "cpu", name, group)? {
                Placed::V2(path) => write(&path, "cpu.max", format!("{quota} {PERIOD}"))?,
                Placed::V1(path) => {
                    write(&path, "cpu.cfs_period_us", PERIOD)?;
                    write(&path, "cpu.cfs_quota_us", quota)?;
                }
            }
        }
        Ok(())
    }

    fn place(
        &mut self,
        limiter: Option<&Limiter>,
        controller: &str,
        name: &str,
        group: Option<&Path>,
    ) -> io::Result<Placed> {
        match (limiter, group) {
            (Some(Limiter::V1(parent)), _) => {
                let path = parent.join(name);
                match fs::create_dir(&path) {
                    // Controllers may be mounted together.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.v1.contains(&path) => {
                    }
                    other => {
                        other?;
                        self.v1.push(path.clone());
                    }
                }
                Ok(Placed::V1(path))
            }
            (Some(Limiter::V2), Some(group)) => {
                if let Some(parent) = group.parent() {
                    write(parent, "cgroup.subtree_control", format!("+{controller}"))?;
                }
                self.v2 = Some(group.to_owned());
                Ok(Placed::V2(group.to_owned()))
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, format!("no {controller} controller"))),
        }
    }

    /// The files through which the calling process joins those groups that it is not born in.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        self.v1.iter().map(|path| path.join("cgroup.procs")).collect()
    }

    /// Whether the version 2 group carries a limit, so that no other task may have it.
    pub(crate) fn mark_v2(&self) -> bool {
        self.v2.is_some()
    }

    /// How many of the task's processes the kernel killed for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let Some(path) = &self.memory else { return 0 };
        let text = ["memory.events", "memory.oom_control"]
            .iter()
            .find_map(|file| fs::read_to_string(path.join(file)).ok())
            .unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
    }

    /// The most memory that the task had at one time, where that is counted.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let path = self.memory.as_ref()?;
        ["memory.peak", "memory.max_usage_in_bytes"]
            .iter()
            .find_map(|file| fs::read_to_string(path.join(file)).ok()?.trim().parse().ok())
    }

    /// Removes the groups of version 1, which must be empty. Returns the first that could not be.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        while let Some(path) = self.v1.last() {
            remove_tree(path)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
            self.v1.pop();
        }
        Ok(())
    }
}

enum Placed {
    V1(PathBuf),
    V2(PathBuf),
}

#[allow(clippy::needless_pass_by_value)] // A number or a text, whatever is at hand.
fn write(folder: &Path, file: &str, value: impl ToString) -> io::Result<()> {
    let path = folder.join(file);
    fs::write(&path, value.to_string())
        .map_err(|error| io::Error::new(error.kind(), format!("write {}: {error}", path.display())))
}

fn write_if_there(folder: &Path, file: &str, value: u64) -> io::Result<()> {
    if folder.join(file).exists() { write(folder, file, value) } else { Ok(()) }
}

impl Limiters {
    /// Which limits can be set, and through what.
    pub(crate) fn describe(&self) -> Vec<(&'static str, Result<String, String>)> {
        let describe = |limiter: &Option<Limiter>| match limiter {
            Some(Limiter::V2) => Ok("version 2".to_owned()),
            Some(Limiter::V1(path)) => Ok(format!("version 1, below {}", path.display())),
            None => Err("neither delegated in version 2, nor writable in version 1".to_owned()),
        };
        vec![("memory", describe(&self.memory)), ("pids", describe(&self.pids)), ("cpu", describe(&self.cpu))]
    }
}
