//! The keepers: their births and their ends.

use std::io;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Signal};

use super::{Next, Supervisor};
use crate::linux::cgroup::{LimitGroups, Limiters};
use crate::linux::sys::{self, Reap, Side};
use crate::linux::words::{FromSupervisor, Index};

impl Supervisor {
    pub(super) fn fork_keeper(&mut self) -> Next {
        let forked = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(io::Error::from)
            .and_then(|pair| {
                // SAFETY: the supervisor has one thread.
                #[allow(unsafe_code)]
                let side = unsafe { sys::fork() }?;
                Ok((pair, side))
            });
        match forked {
            Ok(((near, far), Side::Child)) => {
                drop(near);
                Next::BecomeKeeper(far, self.forked)
            }
            Ok(((near, far), Side::Parent(pid))) => {
                drop(far);
                self.keepers.insert(pid, self.forked);
                self.tell(&FromSupervisor::Keeper(pid, self.forked), vec![near]);
                self.forked += 1;
                Next::Go
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                self.tell(&FromSupervisor::NoKeeper(errno), Vec::new());
                Next::Go
            }
        }
    }

    /// Ends a keeper of ours that no longer answers: an unreaped child, so the pid is its own.
    pub(super) fn end_keeper(&mut self, index: Index) {
        if let Some(pid) = self.keepers.pid_of(index)
            && let Some(own) = Pid::from_raw(pid)
        {
            if let Err(errno) = rustix::process::kill_process(own, Signal::KILL) {
                tracing::debug!(%errno, "a keeper has ended by itself");
            }
            self.condemned.insert(pid);
            self.detached.remove(&index);
            self.orphanage.expect();
        }
    }

    /// Reaps keepers and orphans.
    pub(super) fn reap(&mut self) -> io::Result<()> {
        let mut ended = Vec::new();
        let mut only_clean = true;
        let childless = loop {
            match sys::reap(None)? {
                Reap::One(child) => {
                    let clean = !self.condemned.remove(&child.pid) && sys::decode(child.status) == Ok(0);
                    let keeper = self.keepers.remove(child.pid);
                    only_clean &= clean && keeper.is_some();
                    if let Some(index) = keeper {
                        self.detached.remove(&index);
                        ended.push((index, clean));
                    }
                }
                Reap::NoneYet => break false,
                Reap::Childless => break true,
            }
        };
        // What a keeper leaves falls to this process before it can be reaped: without a child there is nothing to
        // look for, and one that left by itself has removed its groups.
        let nothing_left = childless && only_clean && self.orphanage.is_certain();
        for (index, clean) in ended {
            if nothing_left {
                self.orphanage.keeper_left(index);
            } else {
                let groups = self.groups_of(index);
                self.orphanage.keeper_ended(index, groups, clean);
            }
        }
        Ok(())
    }

    /// Where a keeper's groups are, and what their names begin with.
    fn groups_of(&self, index: Index) -> Vec<(PathBuf, String)> {
        let Some(parent) = &self.group_path else { return Vec::new() };
        let limits = LimitGroups::prefix(std::process::id(), index);
        let mut groups: Vec<_> =
            Limiters::folders().into_iter().map(|folder| (folder, limits.clone())).collect();
        groups.push((parent.clone(), format!("task-{index}-")));
        groups
    }
}
