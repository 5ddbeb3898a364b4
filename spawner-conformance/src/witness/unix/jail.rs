//! The outer jail: a hard bound on the number of processes, whatever a case or a workload gets wrong.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::look;
use crate::host;
use crate::witness::names;

/// As many as the widest workload, the deepest and a storm need together, and their tracking.
const BOUND: u32 = 8000;

/// A control group with `pids.max`, in which the suite's own process is while this lives. Where none can be made, one of
/// somebody else's, in which it is already.
#[derive(Debug)]
pub(crate) struct Jail {
    own: Option<Own>,
    /// The bounds that hold for this process, the nearest first.
    bounds: Vec<Bound>,
}

#[derive(Debug)]
struct Own {
    folder: PathBuf,
    outside: PathBuf,
}

#[derive(Debug)]
struct Bound {
    group: PathBuf,
    most: u32,
    /// How many there were before the suite began.
    before: u32,
}

impl Jail {
    /// Enters a jail; says why where that cannot be, and this process is in none.
    pub(crate) fn enter() -> Result<Self, String> {
        let outside = host::pids_group().ok_or("no pids controller is mounted")?;
        let (own, why) = match Own::enter(&outside) {
            Ok(own) => (Some(own), String::new()),
            Err(why) => (None, why),
        };
        let nearest = own.as_ref().map_or(&outside, |own| &own.folder);
        let bounds: Vec<_> = nearest.ancestors().filter_map(Bound::of).collect();
        if bounds.is_empty() { Err(why) } else { Ok(Self { own, bounds }) }
    }

    /// Waits until there is room again: zombies of a storm count until whoever inherited them reaps them, and for an
    /// init that takes its time those may be more than ten thousand.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let give_up = Instant::now() + Duration::from_secs(20);
        for bound in &self.bounds {
            while !bound.has_room() {
                if Instant::now() > give_up {
                    let current = number(&bound.group, "pids.current").unwrap_or_default();
                    return Err(format!("{current} processes and zombies are still in the jail"));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    /// Leaves the jail and removes it; says what is left in it where that cannot be.
    pub(crate) fn leave(mut self) -> Result<(), String> {
        self.own.take().map_or(Ok(()), |own| own.try_remove())
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        if let Some(Err(why)) = self.own.take().map(|own| own.try_remove()) {
            eprintln!("{why}");
        }
    }
}

impl Bound {
    /// The bound of a group, if it has one.
    fn of(group: &Path) -> Option<Self> {
        let (most, before) = (number(group, "pids.max")?, number(group, "pids.current")?);
        Some(Self { group: group.to_owned(), most, before })
    }

    fn has_room(&self) -> bool {
        number(&self.group, "pids.current").is_none_or(|now| now <= self.before + self.most / 8)
    }
}

fn number(group: &Path, file: &str) -> Option<u32> {
    std::fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()
}

impl Own {
    fn enter(outside: &Path) -> Result<Self, String> {
        let folder = outside.join(format!("spawner-conformance-{}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let own = Self { folder, outside: outside.to_owned() };
        let entered = std::fs::write(own.folder.join("pids.max"), BOUND.to_string());
        match entered.and_then(|()| move_to(&own.folder)) {
            Ok(()) => Ok(own),
            Err(error) => {
                let left = own.try_remove().err().map(|why| format!("; {why}")).unwrap_or_default();
                Err(format!("cannot set and enter {}: {error}{left}", own.folder.display()))
            }
        }
    }

    fn try_remove(&self) -> Result<(), String> {
        let jail = self.folder.display();
        move_to(&self.outside).map_err(|error| format!("the jail {jail} cannot be left: {error}"))?;
        // Helpers of the backend may be on their way out.
        let give_up = Instant::now() + Duration::from_secs(2);
        while let Err(error) = std::fs::remove_dir(&self.folder) {
            if Instant::now() > give_up {
                let who = names(&look::members(&self.folder));
                return Err(format!("the jail {jail} cannot be removed: {error}; in it: {who}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn move_to(group: &Path) -> std::io::Result<()> {
    std::fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}
