//! The control group that a keeper's tasks are born in: made ahead of need, used again, removed.

use std::fs;
use std::io;
use std::path::Path;

use super::Keeper;
use crate::linux::cgroup::Group;

/// How often the harness's group is made again, which each keeper that leaves may remove once.
const TRIES: usize = 16;

impl Keeper {
    /// Makes the control group ahead of need, below the harness's, which the supervisor makes too.
    pub(super) fn make_group(&mut self) {
        let name = format!("task-{}-{}", self.index, self.stem());
        let parent = self.set_up.group.as_ref();
        self.group = parent.map(|parent| below(parent, || Group::create(&parent.join(&name))));
    }

    /// The end of the names of this task's groups: it tells the keeper to whoever finds one.
    pub(super) fn stem(&self) -> String {
        format!("{}-{}-{}", std::process::id(), self.start_time, self.tasks)
    }

    /// A birth failed after limits may have been set in the group: no other task may have it.
    pub(super) fn group_is_used_up(&mut self) {
        if let Some(Ok(group)) = &self.group {
            self.group = Some(match group.remove() {
                Ok(()) => Err(io::ErrorKind::NotFound.into()),
                Err(error) => Err(error),
            });
        }
    }

    /// Has a group ready for the next task: the last one's, where that left it as it was made.
    pub(super) fn renew_group(&mut self) {
        let used = std::mem::replace(&mut self.used_group, false);
        let Some(group) = &mut self.group else { return };
        // One that could not be made may be by now.
        if !used && group.is_ok() {
            return;
        }
        if let Ok(own) = group {
            if own.is_as_made().unwrap_or(false) {
                return;
            }
            if let Err(error) = own.remove() {
                *group = Err(error);
                return;
            }
        }
        self.make_group();
    }

    /// Where there will be no other task, removes the group now. Its harness's goes when this process does, while that one
    /// is told.
    pub(super) fn give_up_group(&mut self) -> io::Result<()> {
        if self.set_up.single { self.remove_group() } else { Ok(()) }
    }

    fn remove_group(&mut self) -> io::Result<()> {
        if let Some(Ok(group)) = &self.group {
            group.remove()?;
            self.group = Some(Err(io::ErrorKind::NotFound.into()));
        }
        Ok(())
    }

    pub(super) fn remove_groups(&mut self) -> io::Result<()> {
        self.remove_group()?;
        if let Some(parent) = &self.set_up.group {
            // Where other keepers still have groups in it, the last of them succeeds.
            if let Err(error) = std::fs::remove_dir(parent) {
                tracing::trace!(%error, "the harness's group is still in use");
            }
        }
        Ok(())
    }
}

/// Makes something below `parent`, and that too where it is not there: a keeper that leaves removes it at any moment in which
/// it finds nothing in it.
fn below<T>(parent: &Path, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..TRIES {
        match make() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match fs::create_dir(parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    make()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_is_removed_meanwhile_is_made_again_and_what_cannot_be_made_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path().join("parent");
        let removals = Cell::new(3);
        let make = || {
            if removals.get() > 0 && parent.exists() {
                removals.set(removals.get() - 1);
                fs::remove_dir(&parent)?;
            }
            fs::create_dir(parent.join("own"))
        };
        below(&parent, make).unwrap();
        assert_eq!(removals.get(), 0);
        assert_eq!(below(&parent, make).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let nowhere = folder.path().join("no/parent");
        assert_eq!(
            below(&nowhere, || fs::create_dir(nowhere.join("own"))).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
