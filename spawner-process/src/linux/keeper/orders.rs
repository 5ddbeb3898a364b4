//! What a keeper does when it is told to.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, test_kill_process};
use spawner_core::Fate;

use super::Keeper;
use super::life::Life;
use super::record::Record;
use crate::linux::tree::Seen;
use crate::linux::words::{Member, Obstacle, Order, Reply};

impl Keeper {
    /// Carries out an order.
    pub(super) fn obey(&mut self, order: Order, descriptors: &[OwnedFd]) -> Reply {
        if let Order::Start(start) = order {
            let size = start.env.iter().chain(&start.argv).map(Vec::len).sum::<usize>();
            self.bloated = size > crate::linux::wire::LARGE;
            self.settled = false;
            // Guests came for another task.
            (self.record, self.ended, self.door) = (Record::new(&start), None, None);
            return self.start(&start, descriptors).unwrap_or_else(|obstacle| self.not_started(obstacle));
        }
        if matches!(order, Order::Release) {
            return Reply::Released(self.release());
        }
        let group = self.group.as_ref().and_then(|group| group.as_ref().ok());
        let Some(life) = &mut self.life else { return Reply::Failed("it keeps no task".into()) };
        let done = match order {
            Order::Ask(scope) => life.ask(scope),
            Order::Signal(signal) => send(life, signal),
            Order::Force => {
                life.force();
                Ok(())
            }
            Order::Members => {
                let (members, total) = life.members(group);
                return Reply::Members(members, total);
            }
            Order::Look => match life.look(group) {
                Ok(sight) => return Reply::Look(sight),
                Err(error) => Err(error),
            },
            // These were dealt with before.
            Order::SetUp(_) | Order::Start(_) | Order::Release => Ok(()),
        };
        match done {
            Ok(()) => Reply::Done,
            Err(error) => Reply::Failed(error.to_string()),
        }
    }

    /// A task could not be started, and nothing of it is there.
    fn not_started(&mut self, mut obstacle: Obstacle) -> Reply {
        if let Err(error) = self.record.never() {
            obstacle.detail = format!("{}; and then: {error}", obstacle.detail);
        }
        Reply::NotStarted(obstacle)
    }

    /// Gives back what could not be when the task ended, and the record with it.
    fn release(&mut self) -> Vec<(PathBuf, Option<String>)> {
        let group = self.group.as_ref().and_then(|group| group.as_ref().ok());
        let sight = self.life.as_mut().map(|life| life.look(group));
        let mut trouble = self.give_back();
        self.used_group = trouble.is_empty();
        let recorded = match sight {
            Some(Ok(sight)) if trouble.is_empty() => self.record.gone(&sight, self.door.is_some()),
            Some(Err(error)) if trouble.is_empty() => Err(error),
            _ => Ok(()),
        };
        if let (Err(error), Some(page)) = (recorded, self.record.page()) {
            trouble.push((page.path().to_owned(), Some(error.to_string())));
        }
        trouble
    }

    /// Gives back what was made for the task that ended. Says what could not be.
    pub(super) fn give_back(&mut self) -> Vec<(PathBuf, Option<String>)> {
        let mut trouble = Vec::new();
        let Some(life) = &mut self.life else { return trouble };
        if !life.is_empty() {
            let place = match &self.group {
                Some(Ok(group)) => group.path().to_owned(),
                _ => PathBuf::from("/proc"),
            };
            return vec![(place, Some("something of the task is still ending".to_owned()))];
        }
        let mut failed = |path: PathBuf, error: io::Error| trouble.push((path, Some(error.to_string())));
        if let Err(error) = life.reap_rest() {
            failed(PathBuf::from("/proc/self"), error);
        }
        if let Err(error) = life.remove_limits() {
            failed(PathBuf::from("/sys/fs/cgroup"), error);
        }
        if let Some(Ok(group)) = &self.group {
            let used_up = life.used_up_group() || group.is_removed();
            let removed = if used_up { group.remove() } else { group.remove_below() };
            match removed {
                Ok(()) if used_up => self.group = Some(Err(io::ErrorKind::NotFound.into())),
                Ok(()) => {}
                Err(error) => failed(group.path().to_owned(), error),
            }
        }
        if trouble.is_empty() {
            self.life = None;
        }
        trouble
    }
}

fn send(life: &Life, signal: i32) -> io::Result<()> {
    let signal = Signal::from_named_raw(signal).ok_or(Errno::INVAL)?;
    life.signal_leader(signal)
}

/// A member that is still there, and why.
pub(crate) fn survivor(seen: &Seen, forced: bool) -> Member {
    let denied = seen.refused == Some(Errno::PERM)
        || Pid::from_raw(seen.pid).is_some_and(|pid| test_kill_process(pid) == Err(Errno::PERM));
    let state = seen.stat.as_ref().map_or("hidden by /proc", spawner_core::proc::Stat::state_in_words);
    let reason = if denied {
        "it may not be signalled: Operation not permitted (EPERM)".to_owned()
    } else if forced {
        format!("it is {state}, and SIGKILL has not ended it yet")
    } else {
        format!("it is {state}, and was not forced to end")
    };
    Member {
        pid: seen.pid,
        start_time: seen.stat.as_ref().map(|stat| stat.start_time),
        name: seen.stat.as_ref().map(|stat| stat.name.clone()),
        fate: Fate::Survived,
        reason: Some(reason),
        denied,
    }
}
