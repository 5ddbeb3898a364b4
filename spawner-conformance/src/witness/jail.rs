//! The outer jail: a hard bound on the number of processes, whatever a case or a workload gets wrong.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::look;
use crate::host;

/// As many as the widest workload, the deepest and a storm need together, and their tracking.
const BOUND: u32 = 8000;

/// A control group with `pids.max`, in which the suite's own process is while this lives.
#[derive(Debug)]
pub(crate) struct Jail {
    folder: PathBuf,
    outside: PathBuf,
}

impl Jail {
    /// Enters a jail; says why where that cannot be.
    pub(crate) fn enter() -> Result<Self, String> {
        let outside = host::pids_group().ok_or("no pids controller is mounted")?;
        let folder = outside.join(format!("spawner-conformance-{}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let jail = Self { folder, outside };
        let bound = jail.folder.join("pids.max");
        std::fs::write(&bound, BOUND.to_string())
            .and_then(|()| move_to(&jail.folder))
            .map_err(|error| format!("cannot set and enter {}: {error}", jail.folder.display()))?;
        Ok(jail)
    }

    /// Waits until there is room again: zombies of a storm count until whoever inherited them reaps them.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            let text = std::fs::read_to_string(self.folder.join("pids.current")).unwrap_or_default();
            let current: u32 = text.trim().parse().unwrap_or(0);
            if current < BOUND / 8 {
                return Ok(());
            }
            if Instant::now() > give_up {
                return Err(format!("{current} processes and zombies are still in the jail"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Leaves the jail and removes it; says what is left in it where that cannot be.
    pub(crate) fn leave(self) -> Result<(), String> {
        let left = self.try_remove();
        // The drop need not try again.
        std::mem::forget(self);
        left
    }

    fn try_remove(&self) -> Result<(), String> {
        let jail = self.folder.display();
        move_to(&self.outside).map_err(|error| format!("the jail {jail} cannot be left: {error}"))?;
        // Helpers of the backend may be on their way out.
        let give_up = Instant::now() + Duration::from_secs(2);
        while let Err(error) = std::fs::remove_dir(&self.folder) {
            if Instant::now() > give_up {
                let who = look::names(&look::members(&self.folder));
                return Err(format!("the jail {jail} cannot be removed: {error}; in it: {who}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        if let Err(why) = self.try_remove() {
            eprintln!("{why}");
        }
    }
}

fn move_to(group: &Path) -> std::io::Result<()> {
    std::fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}
