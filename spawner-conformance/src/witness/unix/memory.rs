//! A control group with little memory, for a harness that is to run out of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Herd;
use crate::host;
use crate::witness::Blow;

/// Dropped, it is removed where that can be.
#[derive(Debug)]
pub(crate) struct MemoryJail(PathBuf);

impl MemoryJail {
    /// Makes one with so many bytes.
    pub(crate) fn make(bytes: u64) -> Result<Self, String> {
        let outside = host::memory_group().ok_or("no memory controller is mounted")?;
        let jail = Self(outside.join(format!("conformance-memory-{}", std::process::id())));
        let failed =
            |what: &str, error: std::io::Error| format!("cannot {what} {}: {error}", jail.0.display());
        std::fs::create_dir(&jail.0).map_err(|error| failed("make", error))?;
        let limit = ["memory.limit_in_bytes", "memory.max"].map(|name| jail.0.join(name));
        let limit = limit.iter().find(|file| file.exists()).ok_or("the group has no limit of memory")?;
        std::fs::write(limit, bytes.to_string()).map_err(|error| failed("set the limit of", error))?;
        // Where there is no swap, there is nothing to forbid.
        for (name, value) in [("memory.swappiness", "0"), ("memory.swap.max", "0")] {
            let file = jail.0.join(name);
            if file.exists() {
                std::fs::write(file, value).map_err(|error| failed("forbid swapping in", error))?;
            }
        }
        Ok(jail)
    }

    /// Puts a process into it; what that makes is born in it.
    pub(crate) fn take_in(&self, pid: u32) -> std::io::Result<()> {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string())
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// Removes it, which is for an empty one.
    pub(crate) fn remove(&self) -> Result<(), String> {
        // What has ended stays a member until it is reaped.
        let give_up = Instant::now() + Duration::from_secs(2);
        while let Err(error) = std::fs::remove_dir(&self.0) {
            if error.kind() == std::io::ErrorKind::NotFound {
                break;
            }
            if Instant::now() > give_up {
                return Err(format!("cannot remove {}: {error}", self.0.display()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for MemoryJail {
    fn drop(&mut self) {
        if !self.0.exists() {
            return;
        }
        // What a failed case has left in it.
        if let Err(error) = Herd::members(&self.0).suffer(Blow::Kill) {
            eprintln!("cannot end what is in {}: {error}", self.0.display());
        }
        if let Err(why) = self.remove() {
            eprintln!("{why}");
        }
    }
}
