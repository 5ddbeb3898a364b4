//! Ending a container's processes without the engine.
//!
//! Nobody is signalled by pid: a pidfd is opened first, and then it is looked at whether that process is one of
//! the container's.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use spawner_core::proc::Stat;
use spawner_core::{AskScope, ProcessIdentity};
use tokio::time::sleep;

use super::pidfd::Pidfd;
use super::{Asked, Local, groups, members, shim};

impl Local {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody froze it.
    pub(crate) fn is_frozen(&self) -> bool {
        groups::are_frozen(&self.groups)
    }

    /// Lets what is frozen run again.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        groups::thaw(&self.groups)
    }

    /// Signals its first process; says whether that was there to hear it.
    pub(crate) fn signal_init(&self, signal: i32) -> io::Result<bool> {
        let Some(pidfd) = self.pidfd.as_ref().filter(|pidfd| !pidfd.has_ended()) else { return Ok(false) };
        let named = Signal::from_named_raw(signal);
        pidfd.signal(named.ok_or(io::ErrorKind::InvalidInput)?).map(|()| true)
    }

    /// Sends SIGTERM, then SIGCONT so that stopped ones hear it. Goes on where one refuses, and says so then.
    pub(crate) fn ask(&self, scope: AskScope) -> io::Result<()> {
        let mut refused = if self.is_frozen() { self.thaw() } else { Ok(()) };
        let (mut others, mut deaf, mut init) = (Vec::new(), false, false);
        for member in self.members()? {
            let is_init = member.identity == self.init;
            if scope == AskScope::Leader && !is_init {
                continue;
            }
            if is_init {
                init = true;
                deaf = self.is_deaf();
            }
            match self.signal(member.pid(), &[Signal::TERM, Signal::CONT]) {
                Ok(Some(pidfd)) if !is_init => others.push(Arc::new(pidfd)),
                Ok(_) => {}
                Err(error) => refused = Err(error),
            }
        }
        let mut asked = self.asked();
        asked.others.extend(others);
        asked.init |= init;
        asked.deaf |= deaf;
        drop(asked);
        refused
    }

    /// Waits until none of the others who were asked is left, and then lets the request have its effect on a first
    /// process from which the kernel withheld it. Never returns where there is nothing to do. Cancel-safe.
    pub(crate) async fn make_heard(&self) -> io::Result<()> {
        let waited = loop {
            let last = self.asked().others.last().map(Arc::clone);
            let Some(other) = last else { break self.asked().deaf };
            other.ended().await?;
            self.asked().others.retain(|kept| !Arc::ptr_eq(kept, &other));
        };
        if waited && let Some(pidfd) = self.pidfd.as_ref() {
            if self.is_deaf() {
                pidfd.signal(Signal::KILL)?;
            } else {
                // It has a handler by now, and has not heard.
                pidfd.signal(Signal::TERM)?;
            }
            self.asked().deaf = false;
        }
        std::future::pending().await
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.own_pids && members::is_deaf(self.init.pid.cast_signed()).unwrap_or(false)
    }

    /// Signals the process with this pid, if it is one of the container's.
    fn signal(&self, pid: i32, signals: &[Signal]) -> io::Result<Option<Pidfd>> {
        let Some(pidfd) = Pidfd::open(pid)? else { return Ok(None) };
        if !self.marks().has(pid) {
            return Ok(None);
        }
        for &signal in signals {
            pidfd.signal(signal).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot send signal {} to {pid}: {error}", signal.as_raw()),
                )
            })?;
        }
        Ok(Some(pidfd))
    }

    /// Kills all of it once, with everything that this host has; says what refused.
    pub(crate) fn strike(&self) -> io::Result<()> {
        let thawed = self.thaw();
        let grouped = groups::kill(&self.groups);
        let mut refused = thawed;
        let members = match self.members() {
            // Whoever it is next gets the next blow.
            Err(error) if members::is_too_quick(&error) => Vec::new(),
            members => members?,
        };
        for member in members {
            if let Err(error) = self.signal(member.pid(), &[Signal::KILL]) {
                refused = Err(error);
            }
        }
        match grouped {
            Ok(true) => Ok(()),
            Ok(false) => refused,
            Err(error) => {
                tracing::debug!(%error, "a container's control group cannot be killed as a whole");
                refused
            }
        }
    }

    /// Kills what is there and what appears, until nothing is. An error says that it cannot. Cancel-safe.
    pub(crate) async fn force(&self) -> io::Result<()> {
        let mut pause = Duration::from_millis(1);
        loop {
            let struck = self.strike();
            if !self.has_members()? {
                return Ok(());
            }
            struck?;
            if pause >= STUCK {
                // The first process of a pid namespace ends only when every other was reaped (pid_namespaces(7)), and
                // those of exec sessions are reaped by their own shims.
                for shim in self.shims(true).await? {
                    if Some(&shim) != self.shim.as_ref() {
                        self.end_shim(&shim)?;
                    }
                }
            }
            tokio::select! {
                emptied = self.emptied() => emptied?,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(STUCK);
        }
    }

    /// Lets the engine's process that waits for it go on, should somebody have stopped it: what asks the engine waits
    /// for that.
    pub(crate) fn wake_shim(&self) -> io::Result<()> {
        let Some(shim) = &self.shim else { return Ok(()) };
        let stopped = |stat: &Stat| matches!(stat.state, b'T' | b't');
        if !Stat::of(shim.pid.cast_signed()).is_ok_and(|stat| stopped(&stat)) {
            return Ok(());
        }
        match Pidfd::of(shim)? {
            Some(pidfd) => pidfd.signal(Signal::CONT),
            None => Ok(()),
        }
    }

    /// Ends one of the engine's processes beside it by force; fine where it has ended, or become another program.
    pub(crate) fn end_shim(&self, process: &ProcessIdentity) -> io::Result<()> {
        let Some(pidfd) = Pidfd::of(process)? else { return Ok(()) };
        match shim::is_of(process.pid.cast_signed(), &self.id) {
            Ok(true) => pidfd.signal(Signal::KILL),
            Ok(false) => Ok(()),
            Err(error) if groups::gone(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// From which pause on what is killed counts as stuck.
const STUCK: Duration = Duration::from_millis(256);
