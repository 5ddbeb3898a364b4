//! The control group that a keeper's tasks are born in: made ahead of need, used again, removed.

use std::io;

use super::Keeper;
use crate::linux::cgroup::Group;

impl Keeper {
    /// Makes the control group ahead of need.
    pub(super) fn make_group(&mut self) {
        let parent = self.set_up.group.as_ref();
        self.group =
            parent.map(|parent| Group::create(&parent.join(format!("task-{}-{}", self.index, self.stem()))));
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
