//! The outer jail: a hard bound on the number of processes, whatever a case or a workload gets wrong.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

    /// Leaves the jail and removes it; says so where something is left in it.
    pub(crate) fn leave(self) -> Result<(), String> {
        let folder = self.folder.clone();
        drop(self);
        if folder.exists() {
            Err(format!("the jail {} could not be removed", folder.display()))
        } else {
            Ok(())
        }
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        if let Err(error) = move_to(&self.outside) {
            eprintln!("cannot leave {}: {error}", self.folder.display());
            return;
        }
        // Helpers of the backend may be on their way out.
        let give_up = Instant::now() + Duration::from_secs(2);
        while let Err(error) = std::fs::remove_dir(&self.folder) {
            if Instant::now() > give_up {
                eprintln!("cannot remove {}: {error}", self.folder.display());
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn move_to(group: &Path) -> std::io::Result<()> {
    std::fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}
