//! A keeper: the parent of one task at a time, and the process to which every orphan of it falls.
//!
//! It runs no code of the harness's and has one thread. It sleeps until a child ends, its control group
//! changes, or the harness says something. End of file on its socket means that the harness is dead: then
//! it ends its task at once.

mod birth;
mod group_watch;
mod groups;
mod guests;
mod init;
mod life;
mod orders;
mod record;
mod roster;
mod sleep;

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use spawner_core::lifeline::Watch;

use spawner_core::proc::Stat;

use crate::config::Choice;
use crate::linux::cgroup::Group;
use crate::linux::door::Door;
use crate::linux::sys::SharedWord;
use crate::linux::vfork::Stack;
use crate::linux::wake::Wake;
use crate::linux::wire::Wire;
use crate::linux::words::{Ended, Order, Reply, Request, SetUp, Word};

pub(crate) use birth::CHANGED_SIGNALS;
use life::Life;
pub(crate) use orders::survivor;
use record::Record;

/// How long a keeper goes on trying after the harness died, when all that is left may not be signalled.
pub(crate) const PATIENCE_WITH_DENIAL: Duration = Duration::from_secs(5);

/// The exit status of a keeper that left although something of its task is there.
const LEFT_SOMETHING: i32 = 3;

pub(crate) struct Keeper {
    wire: Wire,
    harness: Watch,
    wake: Wake,
    set_up: SetUp,
    /// The control group that tasks are born in, if the mechanism has one; or why it could not be made.
    group: Option<io::Result<Group>>,
    /// Where a child says why it could not execute its program.
    obstacle: SharedWord,
    /// What its children run on until they execute.
    stack: Stack,
    index: u64,
    /// The process that forked this one.
    supervisor: Option<rustix::process::Pid>,
    /// Its own start time, the part of its identity that a pid is not.
    start_time: u64,
    /// What is on record of the present task.
    record: Record,
    /// How the present task's main process ended, for guests.
    ended: Option<Ended>,
    /// Where other harnesses get in touch.
    door: Option<Door>,
    /// How many tasks there have been.
    tasks: u64,
    life: Option<Life>,
    /// Whether the harness was told that nothing is left of the present task.
    told_empty: bool,
    /// Whether the group has been another task's, and has not been looked over since.
    used_group: bool,
    harness_died: Option<Instant>,
    /// Whether a large start has just been dealt with.
    bloated: bool,
    /// Whether what starting the present task took has been given back.
    settled: bool,
}

/// Runs a keeper for `harness`; `index` is new among those of its supervisor.
pub(crate) fn main(socket: OwnedFd, harness: Watch, index: u64) -> ! {
    let status = match Keeper::new(socket, harness, index) {
        Ok(mut keeper) => {
            let served = keeper.serve();
            let closed = keeper.close();
            let left_something = keeper.life.as_ref().is_some_and(|life| !life.is_empty());
            // The end of the socket tells the harness, if it waits, that all is done; what follows is only the
            // end of this process.
            drop(keeper);
            if left_something { LEFT_SOMETHING } else { i32::from(closed.is_err() || served.is_err()) }
        }
        Err(_) => 1,
    };
    crate::linux::sys::exit_now(status)
}

impl Keeper {
    fn new(socket: OwnedFd, harness: Watch, index: u64) -> io::Result<Self> {
        rustix::thread::set_name(c"spawner-keeper")?;
        // A stopped keeper goes on when nobody else is left to see to that.
        crate::linux::sys::on_end_of_parent(libc::SIGCONT)?;
        Ok(Self {
            wire: Wire::new(socket)?,
            harness,
            wake: Wake::new()?,
            group: None,
            set_up: SetUp::default(),
            obstacle: SharedWord::new()?,
            stack: Stack::new()?,
            index,
            supervisor: rustix::process::getppid(),
            start_time: Stat::of(std::process::id().cast_signed())?.start_time,
            record: Record::default(),
            ended: None,
            door: None,
            tasks: 0,
            life: None,
            told_empty: false,
            used_group: false,
            harness_died: None,
            bloated: false,
            settled: false,
        })
    }

    /// Gets ready to work as the harness wants it.
    pub(super) fn set_up(&mut self, set_up: SetUp) -> io::Result<()> {
        let subreaper = set_up.mechanism != Choice::ProcessGroup;
        rustix::process::set_child_subreaper(subreaper.then(rustix::process::getpid))?;
        self.set_up = set_up;
        self.make_group();
        Ok(())
    }

    fn serve(&mut self) -> io::Result<()> {
        loop {
            let sleep = self.tend();
            if (self.wire.is_closed() && self.may_leave()) || self.is_done() {
                return Ok(());
            }
            self.sleep(sleep)?;
        }
    }

    /// Does what is to be done now; returns how long to sleep at most.
    fn tend(&mut self) -> Option<Duration> {
        let Some(life) = &mut self.life else { return None };
        let group = self.group.as_ref().and_then(|group| group.as_ref().ok());
        let sleep = life.tend(group);
        let end = life.take_end();
        self.ended = self.ended.or(end);
        if !life.is_empty() {
            if let Some(end) = end {
                self.record.ended(end);
                self.tell(&Word::Ended(end));
            }
            return sleep;
        }
        if std::mem::replace(&mut self.told_empty, true) {
            return None;
        }
        let sight = life.look(group);
        if self.harness_died.is_some() && self.set_up.mechanism == Choice::ProcessGroup {
            self.record.end_marked();
        }
        if let Some(end) = end {
            self.record.ended(end);
        }
        match sight {
            Ok(mut sight) if self.give_back().is_empty() && self.give_up_group().is_ok() => {
                sight.recorded = self.record.gone(&sight, self.door.is_some()).is_ok();
                self.tell(&Word::Gone(end, Box::new(sight)));
                self.used_group = true;
            }
            _ => {
                if let Some(end) = end {
                    self.tell(&Word::Ended(end));
                }
                self.tell(&Word::Empty);
            }
        }
        None
    }

    /// Whether there was one task to keep, and it is gone.
    fn is_done(&self) -> bool {
        self.set_up.single && self.used_group && !self.wire.has_unsent()
    }

    /// Tells the harness. Where that is gone, the next read of the socket says so.
    fn tell(&mut self, word: &Word) {
        self.tell_guests(word);
        if self.wire.send(word, Vec::new()).is_err() {
            self.harness_died.get_or_insert_with(Instant::now);
        }
    }

    fn listen(&mut self) -> io::Result<()> {
        if self.wire.flush().and_then(|()| self.wire.receive()).is_err() {
            // Whatever is wrong with it, nobody can tell this keeper anything any more.
            return self.harness_is_gone();
        }
        while let Some((request, descriptors)) = self.wire.next::<Request>()? {
            let number = request.number;
            if let Order::SetUp(set_up) = request.order {
                self.set_up(set_up)?;
                continue;
            }
            let reply = self.obey(request.order, &descriptors);
            let started = if let Reply::Started(started) = &reply { Some(started.clone()) } else { None };
            let sent = self.wire.send(&Word::Reply(number, reply), Vec::new());
            if let Some(started) = started {
                self.record.started(&started, &self.set_up.boot_id);
            }
            if sent.is_err() {
                return self.harness_is_gone();
            }
        }
        if std::mem::take(&mut self.bloated) {
            crate::linux::sys::give_memory_back();
        }
        if self.wire.is_closed() { self.harness_is_gone() } else { Ok(()) }
    }

    fn harness_is_gone(&mut self) -> io::Result<()> {
        if !self.wire.is_closed() {
            rustix::net::shutdown(self.wire.socket(), rustix::net::Shutdown::Both)?;
            self.wire.receive()?;
        }
        self.harness_died.get_or_insert_with(Instant::now);
        if let Some(life) = &mut self.life
            && !self.record.is_detached()
        {
            life.force();
        }
        Ok(())
    }

    /// Whether there is nothing left to do for a harness that is gone.
    fn may_leave(&self) -> bool {
        let Some(life) = &self.life else { return true };
        let patience_over = self.harness_died.is_some_and(|at| at.elapsed() > PATIENCE_WITH_DENIAL);
        life.is_empty() || (patience_over && life.only_denied_are_left())
    }

    /// Removes what was made for tasks. What cannot be removed stays, and stays on the file system to be
    /// found by its name.
    fn close(&mut self) -> io::Result<()> {
        let removed = match &mut self.life {
            Some(life) => life.remove_limits(),
            None => Ok(()),
        };
        removed.and(self.remove_groups())
    }
}
