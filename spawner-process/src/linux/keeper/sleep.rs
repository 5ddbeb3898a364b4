//! What a keeper sleeps until.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use super::Keeper;
use super::life::Life;
use crate::linux::wake;

/// After how long a quiet task is one that stays, so that the memory that starting it took is given back.
const SETTLING: Duration = Duration::from_millis(100);

/// How long a crowd may die before the dead are reaped.
const BATCH: Duration = Duration::from_micros(500);

impl Keeper {
    /// Sleeps until there is something to do, for `most` at most, and takes in what has come.
    pub(super) fn sleep(&mut self, most: Option<Duration>) -> io::Result<()> {
        let socket = self.wire.interest();
        let group = self.group.as_ref().and_then(|group| group.as_ref().ok());
        let watched = group.filter(|_| self.life.as_ref().is_some_and(Life::awaits_group));
        let watched = watched.and_then(|group| Some((group, group.events()?)));
        let socket_fd = self.wire.socket().clone();
        let mut fds = vec![PollFd::from_borrowed_fd(self.wake.fd(), PollFlags::IN)];
        if !socket.is_empty() {
            fds.push(PollFd::from_borrowed_fd(socket_fd.as_fd(), socket));
        }
        let watched = watched.map(|(group, events)| {
            fds.push(PollFd::from_borrowed_fd(events, PollFlags::PRI));
            (group, fds.len() - 1)
        });
        if let Some(reports) = self.life.as_ref().and_then(Life::reports) {
            fds.push(PollFd::from_borrowed_fd(reports, PollFlags::IN));
        }
        if let Some(door) = &self.door {
            fds.push(PollFd::from_borrowed_fd(door.listener().as_fd(), PollFlags::IN));
            let guests = door.guests.iter().filter(|guest| !guest.interest().is_empty());
            fds.extend(
                guests.map(|guest| PollFd::from_borrowed_fd(guest.socket().as_fd(), guest.interest())),
            );
        }
        if let Some(harness) = self.harness.fd() {
            fds.push(PollFd::from_borrowed_fd(harness, PollFlags::IN));
        }
        let crowd = self.life.as_ref().is_some_and(Life::is_crowd_dying);
        let unsettled = self.life.is_some() && !self.settled && !crowd;
        let within = if unsettled { Some(most.map_or(SETTLING, |most| most.min(SETTLING))) } else { most };
        let ready = if crowd {
            wake::sleep_through_ends(&mut fds, within.map_or(BATCH, |most| most.min(BATCH)))?
        } else {
            wake::sleep(&mut fds, within)?
        };
        self.settled |= !ready && unsettled;
        if unsettled && self.settled {
            self.stack.give_back();
            self.obstacle.give_back();
            crate::linux::sys::give_memory_back();
            crate::linux::sys::give_stack_back();
        }
        let changed = watched.filter(|&(_, at)| !fds[at].revents().is_empty()).map(|(group, _)| group);
        let woken = !fds[0].revents().is_empty();
        let spoken_to = !socket.is_empty() && !fds[1].revents().is_empty();
        if woken {
            self.wake.drain();
        }
        if let Some(life) = &mut self.life {
            life.wake(woken || crowd);
            if let Some(group) = changed {
                life.group_changed(group);
            }
        }
        if spoken_to {
            self.listen()?;
        }
        self.receive_guests();
        // Asked in any case: a pidfd that is readable would have it awake for ever.
        let dead = self.harness.is_dead();
        if dead && !self.wire.is_closed() { self.harness_is_gone() } else { Ok(()) }
    }
}
