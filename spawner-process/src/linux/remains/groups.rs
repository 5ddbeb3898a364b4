//! Control groups of keepers that are dead, found by their names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use spawner_core::ProcessIdentity;

use super::names::{self, owner};
use crate::linux::cgroup::{self, Limiters, Tables};

/// The control groups that one keeper made for its tasks.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Those that hold members and can be killed.
    tasks: Vec<PathBuf>,
    /// Those of version 1, which carry limits.
    limits: Vec<PathBuf>,
    /// The harness's.
    parent: Option<PathBuf>,
}

impl Groups {
    pub(crate) fn of(keeper: &ProcessIdentity, parent: Option<&Path>) -> Self {
        let mine = |name: &str| owner(name).is_some_and(|owner| owner.is(keeper));
        let limits = Limiters::folders().iter().flat_map(|folder| named(folder, &mine)).collect();
        let tasks = parent.map(|parent| named(parent, &mine)).unwrap_or_default();
        Self { tasks, limits, parent: parent.map(Path::to_owned) }
    }

    /// Kills what is in them. A group that refuses has its members killed one by one.
    pub(super) fn kill(&self) {
        for group in &self.tasks {
            // A frozen one wakes up to be killed.
            for (file, word) in [("cgroup.kill", "1"), ("cgroup.freeze", "0")] {
                if let Err(error) = fs::write(group.join(file), word) {
                    tracing::debug!(group = %group.display(), %error, "cannot write {file}");
                }
            }
        }
    }

    /// The pids of everything in them and below them.
    pub(super) fn pids(&self) -> Vec<i32> {
        self.tasks
            .iter()
            .chain(&self.limits)
            .flat_map(|group| cgroup::pids_below(group).unwrap_or_default())
            .collect()
    }

    /// Whether anything is in those of version 2.
    pub(super) fn are_populated(&self) -> bool {
        let populated = |group: &PathBuf| {
            fs::read_to_string(group.join("cgroup.events"))
                .is_ok_and(|events| events.starts_with("populated 1"))
        };
        self.tasks.iter().any(populated)
    }

    /// Removes them, which must be empty; and the harness's, where they were the last in it.
    pub(crate) fn remove(&self) -> Result<(), (PathBuf, io::Error)> {
        for group in self.tasks.iter().chain(&self.limits) {
            cgroup::remove_tree(group).map_err(|error| (group.clone(), error))?;
        }
        if let Some(parent) = &self.parent
            && let Err(error) = fs::remove_dir(parent)
        {
            tracing::trace!(%error, "the harness's group is gone already, or in use");
        }
        Ok(())
    }
}

fn named(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.flatten().filter(|entry| wanted(&entry.file_name().to_string_lossy()));
    entries.map(|entry| entry.path()).collect()
}

/// A harness's group whose harness is dead, and the keepers that had groups in it.
pub(crate) struct Abandoned {
    pub(crate) parent: PathBuf,
    pub(crate) keepers: Vec<ProcessIdentity>,
}

/// Whether any group below `parent` is another harness's. Looks at names only.
pub(crate) fn has_others(parent: &Path) -> bool {
    let own = format!("spawner-{}-", std::process::id());
    !named(parent, &|name| name.starts_with("spawner-") && !name.starts_with(&own)).is_empty()
}

/// The groups of dead harnesses below `parent`, which is where this user's harnesses make theirs. Those of other namespaces
/// are left alone: who lives in there cannot be told from here.
pub(crate) fn abandoned(parent: Option<&Path>, boot_id: &str) -> Vec<Abandoned> {
    let own = || Tables::read().ok()?.unified().map(|found| found.own);
    let Some(folder) = parent.map(Path::to_owned).or_else(own) else { return Vec::new() };
    let identity = |pid, start_time| ProcessIdentity { boot_id: boot_id.to_owned(), pid, start_time };
    let namespaces = names::namespaces();
    let dead = |name: &str| {
        names::harness(name, &namespaces).is_some_and(|(pid, start)| !identity(pid, start).is_alive())
    };
    let mut found = Vec::new();
    for parent in named(&folder, &dead) {
        let owners = named(&parent, &|name| name.starts_with("task-"));
        // A detached one is its record's business, wherever that is.
        let owners = owners.iter().filter(|group| !cgroup::is_detached(group));
        let owners = owners.filter_map(|group| owner(&group.file_name()?.to_string_lossy()));
        let mut keepers: Vec<_> = owners.map(|owner| identity(owner.pid, owner.start_time)).collect();
        keepers.retain(|keeper| !keeper.is_alive());
        keepers.dedup();
        found.push(Abandoned { parent, keepers });
    }
    found
}
