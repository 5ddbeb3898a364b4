//! The start of a task, from its keeper to its program's first instruction.

mod cradle;
mod obstacle;

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Keeper;
use super::group_watch::GroupWatch;
use super::init;
use super::life::{Life, Newborn};
use crate::config::Choice;
use crate::linux::cgroup::{Group, LimitGroups};
use crate::linux::words::{Obstacle, Reply, Start, Started, Step};
use spawner_core::proc::Stat;

pub(super) use cradle::Cradle;
pub(super) use obstacle::{has_obstacle, write_obstacle};

/// The signals whose meaning helpers changed; the task gets what the harness had.
pub(crate) const CHANGED_SIGNALS: [i32; 7] =
    [libc::SIGUSR1, libc::SIGCHLD, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE];

impl Keeper {
    pub(super) fn start(&mut self, start: &Start, streams: &[OwnedFd]) -> Result<Reply, Obstacle> {
        if self.life.is_some() {
            return Err(Obstacle::new(Step::Fork, libc::EBUSY, "its keeper has a task already"));
        }
        self.renew_group();
        let group = match &self.group {
            Some(Ok(group)) => Some(group),
            Some(Err(error)) => return Err(Obstacle::from_io(Step::Group, error)),
            None => None,
        };
        let path = group.map(|group| group.path().to_owned());
        let limits = match &start.limits {
            None => LimitGroups::default(),
            Some((limits, limiters)) => {
                let supervisor = self.supervisor.map_or(0, |pid| pid.as_raw_nonzero().get().cast_unsigned());
                let name = format!("{}{}", LimitGroups::prefix(supervisor, self.index), self.stem());
                match LimitGroups::create(limits, limiters, &name, path.as_deref()) {
                    Ok(groups) => groups,
                    Err(error) => {
                        self.group_is_used_up();
                        return Err(Obstacle::from_io(Step::Limits, &error));
                    }
                }
            }
        };
        let mut limits = Some(limits);
        if let (true, Some(Ok(group))) = (start.detached, &self.group)
            && let Err(error) = group.mark_detached()
        {
            tracing::debug!(%error, "a sweep with another state folder may take the task for a stray");
        }
        let born = self.give_birth(start, streams, &mut limits);
        match born {
            Ok(life) => {
                let (mut life, started) = life;
                if start.detached {
                    life.wear_out_group();
                }
                self.life = Some(life);
                self.told_empty = false;
                self.tasks += 1;
                Ok(Reply::Started(started))
            }
            Err(obstacle) => {
                if start.limits.is_some() {
                    self.group_is_used_up();
                }
                if let Some(Err(error)) = limits.as_mut().map(LimitGroups::remove) {
                    return Err(Obstacle {
                        detail: format!("{}; and then: {error}", obstacle.detail),
                        ..obstacle
                    });
                }
                Err(obstacle)
            }
        }
    }

    fn give_birth(
        &mut self,
        start: &Start,
        streams: &[OwnedFd],
        limits: &mut Option<LimitGroups>,
    ) -> Result<(Life, Started), Obstacle> {
        let doors = limits.as_ref().map(LimitGroups::doors).unwrap_or_default();
        let cradle = Cradle::new(start, streams, doors)?;
        let group = self.group.as_ref().and_then(|group| group.as_ref().ok());
        let mechanism = self.set_up.mechanism;
        let (pid, init, pidfd) = if mechanism == Choice::PidNamespace {
            let (init, leader, pidfd) = init::start(&cradle, group.map(Group::folder), &self.obstacle)?;
            (leader, Some(init), pidfd)
        } else {
            let born = cradle.rock(&mut self.stack, group, &self.obstacle);
            (born.map_err(|error| Obstacle::from_io(Step::Fork, &error))?, None, None)
        };
        if let Some((step, errno)) = obstacle::read_obstacle(&self.obstacle) {
            reap_stillborn(init.as_ref().map_or(pid, |init| init.pid));
            return Err(Obstacle::new(step, errno, cradle.describe(step)));
        }
        let own = || -> io::Result<OwnedFd> {
            let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
            Ok(pidfd_open(pid, PidfdFlags::empty())?)
        };
        let pidfd = match pidfd.map_or_else(own, Ok) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                // It runs already, and cannot be kept as it should be: it is ended as an unreaped child.
                kill_stillborn(init.as_ref().map_or(pid, |init| init.pid));
                return Err(Obstacle::from_io(Step::Fork, &error));
            }
        };
        let watch = match mechanism {
            Choice::ProcessGroup => match GroupWatch::new(pid) {
                Ok(watch) => Some(watch),
                Err(error) => {
                    kill_stillborn(pid);
                    return Err(Obstacle::from_io(Step::Fork, &error));
                }
            },
            _ => None,
        };
        let seen = Stat::of(pid).ok();
        let start_time = seen.as_ref().map(|seen| seen.start_time);
        let mechanisms = mechanism.mechanisms(group.is_some());
        let init_pid = init.as_ref().map(|init| init.pid);
        let started = Started { pid, start_time, mechanisms, init: init_pid };
        let life = Life::new(Newborn {
            pid,
            pidfd,
            start_time,
            name: seen.map(|seen| seen.name),
            init,
            watch,
            limits: limits.take().unwrap_or_default(),
        });
        Ok((life, started))
    }
}

/// Reaps a child that said why it could not start and is about to end.
fn reap_stillborn(pid: i32) {
    use rustix::process::{WaitOptions, waitpid};
    let Some(pid) = Pid::from_raw(pid) else { return };
    while matches!(waitpid(Some(pid), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
}

fn kill_stillborn(pid: i32) {
    if let Some(own) = Pid::from_raw(pid) {
        // It is an unreaped child, so the pid is its own; that it has ended already is the only way to fail.
        if rustix::process::kill_process(own, rustix::process::Signal::KILL).is_ok() {
            reap_stillborn(pid);
        }
    }
}
