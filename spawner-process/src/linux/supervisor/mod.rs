//! The supervisor: forks the keepers of one harness, and inherits what a dead keeper kept.
//!
//! It has one thread, holds next to nothing in memory, and is a session of its own, so that forking from it
//! is cheap whatever the harness is like. End of file on its socket means that the harness is dead, and so
//! does its pidfd; its keepers notice that by themselves, and the supervisor leaves when the last of them has.

mod keepers;
mod orphans;
mod owner;
mod records;
mod roll;
mod signals;
mod stuck;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::Pid;
use spawner_core::lifeline::Watch;

use crate::config::Choice;
use crate::linux::cgroup::Group;
use crate::linux::keeper;
use crate::linux::sys;
use crate::linux::wake::{self, Wake};
use crate::linux::wire::Wire;
use crate::linux::words::{FromSupervisor, Index, SetUp, ToSupervisor};

use orphans::Orphanage;
use roll::Roll;
pub(crate) use signals::restore as restore_signals;

/// The role of a supervisor among the helpers of a harness.
pub(crate) const ROLE: &str = "process";

/// How long keepers may take to end their tasks once the harness is dead, before what they keep is ended
/// over their heads.
const PATIENCE_WITH_KEEPERS: Duration = Duration::from_secs(15);

struct Supervisor {
    wire: Wire,
    harness: Watch,
    /// The harness's pid, unless it was dead at once.
    parent: Option<Pid>,
    wake: Wake,
    /// Where the control group of this harness is, or should be.
    group_path: Option<std::path::PathBuf>,
    /// The control group of this harness.
    group: Option<Group>,
    /// The folder of the journal.
    journal: Option<PathBuf>,
    keepers: Roll,
    /// Those of them whose task may outlive the harness.
    detached: BTreeSet<Index>,
    /// Those of them that were killed. One that is traced stays a zombie, without a notice of its end, as long
    /// as its tracer does not look; which may be a member of its task.
    condemned: BTreeSet<i32>,
    forked: Index,
    orphanage: Orphanage,
    harness_died: Option<Instant>,
}

/// Runs the supervisor in a process that was executed for it. What the harness forgot to close on exec is
/// closed, so that no pipe is held open for as long as a harness may live.
pub(crate) fn main_of_executed(socket: OwnedFd) -> ! {
    use std::os::fd::AsRawFd as _;
    if sys::close_all_but(&mut [socket.as_raw_fd()]).is_err() {
        sys::exit_now(1);
    }
    main(socket)
}

/// Runs the supervisor on its end of the socket.
pub(crate) fn main(socket: OwnedFd) -> ! {
    let status = match Supervisor::new(socket) {
        Ok(supervisor) => i32::from(supervisor.serve().is_err()),
        Err(_) => 1,
    };
    sys::exit_now(status)
}

/// What the supervisor's loop comes to.
enum Next {
    Go,
    Leave,
    BecomeKeeper(OwnedFd, Index),
}

impl Supervisor {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        // A leader of a process group, as a forked supervisor never is, could not have a session of its own.
        if rustix::process::setsid().is_err() {
            rustix::process::setpgid(None, None)?;
        }
        signals::prepare()?;
        // A stopped supervisor goes on when there is no harness any more that would see to that.
        sys::on_end_of_parent(libc::SIGCONT)?;
        let harness = Watch::of_harness(socket.as_fd());
        let own = sys::above_stdio(socket.as_fd())?;
        drop(socket);
        signals::close_streams()?;
        rustix::thread::set_name(c"spawner-super")?;
        sys::find_out_what_is_kept();
        // Before there is a keeper: one that is killed before the harness has said what to use leaves orphans too.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self {
            wire: Wire::new(own)?,
            harness,
            parent: rustix::process::getppid(),
            wake: Wake::new()?,
            group_path: None,
            group: None,
            journal: None,
            keepers: Roll::default(),
            detached: BTreeSet::new(),
            condemned: BTreeSet::new(),
            forked: 0,
            orphanage: Orphanage::default(),
            harness_died: None,
        })
    }

    fn serve(mut self) -> io::Result<()> {
        // The first keeper is made while the harness still gets ready to use one.
        let mut next = self.fork_keeper();
        loop {
            match next {
                Next::BecomeKeeper(socket, index) => {
                    let harness = std::mem::take(&mut self.harness);
                    // Closes what is the supervisor's in this process, which is a keeper now.
                    drop(self);
                    keeper::main(socket, harness, index);
                }
                Next::Leave => return self.leave(),
                Next::Go => {}
            }
            let again = self.tend();
            if self.harness_died.is_some() && !self.waits_for_keepers() {
                if self.orphanage.is_settled() {
                    return self.leave();
                }
                if self.orphanage.is_hopeless() {
                    // What is left may not be ended, and its groups cannot be removed: there is no proof.
                    return self.leave().and(Err(io::ErrorKind::PermissionDenied.into()));
                }
            }
            self.sleep(again)?;
            next = self.listen()?;
            self.reap()?;
        }
    }

    /// Whether there is a keeper that ends with the harness.
    fn waits_for_keepers(&self) -> bool {
        self.keepers.iter().any(|(_, index)| !self.detached.contains(&index))
    }

    fn sleep(&mut self, most: Option<Duration>) -> io::Result<()> {
        let socket = self.wire.interest();
        let socket_fd = self.wire.socket().clone();
        let mut fds = vec![PollFd::from_borrowed_fd(self.wake.fd(), PollFlags::IN)];
        if !socket.is_empty() {
            fds.push(PollFd::from_borrowed_fd(socket_fd.as_fd(), socket));
        }
        if let Some(harness) = self.harness.fd() {
            fds.push(PollFd::from_borrowed_fd(harness, PollFlags::IN));
        }
        wake::sleep(&mut fds, most)?;
        self.wake.drain();
        Ok(())
    }

    fn listen(&mut self) -> io::Result<Next> {
        if !self.wire.is_closed() && self.wire.flush().and_then(|()| self.wire.receive()).is_err() {
            // Nobody hears what is unsent, and that is no reason to leave before the orphans are gone.
            self.wire.give_up();
        }
        while let Some((order, _)) = self.wire.next::<ToSupervisor>()? {
            match order {
                ToSupervisor::SetUp(set_up) => self.set_up(&set_up)?,
                ToSupervisor::Fork => {
                    if let next @ Next::BecomeKeeper(..) = self.fork_keeper() {
                        return Ok(next);
                    }
                }
                ToSupervisor::Detach(index) => drop(self.detached.insert(index)),
                ToSupervisor::EndKeeper(index) => self.end_keeper(index),
                ToSupervisor::Leave => return Ok(Next::Leave),
                ToSupervisor::Orphans(of) => {
                    self.reap()?;
                    self.orphanage.asked_about(of);
                    // The harness has seen the end of its socket: it is about to end, or a zombie for others.
                    self.end_keeper(of);
                    let keepers = &self.keepers;
                    let orphans = self.orphanage.look(&|pid| keepers.contains(pid));
                    self.tell(&FromSupervisor::Orphans(orphans), Vec::new());
                }
            }
        }
        if self.harness.is_dead() && !self.wire.is_closed() {
            self.wire.give_up();
        }
        if self.wire.is_closed() {
            self.harness_is_gone();
        }
        Ok(Next::Go)
    }

    fn harness_is_gone(&mut self) {
        if self.harness_died.is_none() {
            self.harness_died = Some(Instant::now());
            stuck::resume(self.keepers.pids());
        }
    }

    /// Says something to the harness. Where that is gone, the next read of the socket says so.
    fn tell(&mut self, word: &FromSupervisor, descriptors: Vec<OwnedFd>) {
        if self.wire.send(word, descriptors).is_err() {
            self.harness_is_gone();
        }
    }

    fn set_up(&mut self, set_up: &SetUp) -> io::Result<()> {
        let subreaper = set_up.mechanism != Choice::ProcessGroup;
        rustix::process::set_child_subreaper(subreaper.then(rustix::process::getpid))?;
        self.orphanage.set_subreaper(subreaper);
        let family = set_up.group.as_deref().and_then(Path::file_name);
        self.orphanage.set_family(family.map(|name| name.to_string_lossy().into_owned()));
        // Where it cannot be made, neither can those below it, and the first start of a task says why.
        self.journal.clone_from(&set_up.journal);
        self.group_path.clone_from(&set_up.group);
        self.group = set_up.group.as_deref().and_then(|path| Group::create_or_open(path).ok());
        Ok(())
    }

    /// Ends orphans, and keepers that hinder that; returns when to look again.
    fn tend(&mut self) -> Option<Duration> {
        let for_keepers = self.harness_died.filter(|_| self.waits_for_keepers()).map(|died| {
            let impatient = died.elapsed() > PATIENCE_WITH_KEEPERS;
            let all = self.keepers.iter().filter(|(_, index)| !self.detached.contains(index));
            let hindering = all.filter(|&(pid, _)| impatient || stuck::is_stuck(pid));
            for index in hindering.map(|(_, index)| index).collect::<Vec<_>>() {
                self.end_keeper(index);
            }
            stuck::LOOK_AGAIN
        });
        for (_, index) in self.keepers.iter().filter(|(pid, _)| self.condemned.contains(pid)) {
            self.orphanage.suspect(index);
            self.orphanage.expect();
        }
        let for_condemned = (!self.condemned.is_empty()).then_some(stuck::LOOK_AGAIN);
        let keepers = &self.keepers;
        let again = self.orphanage.tend(&|pid| keepers.contains(pid));
        if let Some(orphans) = self.orphanage.news() {
            self.tell(&FromSupervisor::Orphans(orphans), Vec::new());
        }
        [again, for_keepers, for_condemned].into_iter().flatten().min()
    }

    /// Removes what was made for the harness. What cannot be removed stays on the file system, to be found
    /// by its name.
    fn leave(&mut self) -> io::Result<()> {
        if self.harness_died.is_some()
            && self.orphanage.is_certain()
            && let Some(journal) = &self.journal
        {
            records::close(journal, self.parent);
        }
        if !self.detached.is_empty() {
            // The group goes with the last of them.
            return Ok(());
        }
        self.group.as_ref().map_or(Ok(()), Group::remove)
    }
}
