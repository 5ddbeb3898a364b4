//! The mode of our terminal: raw while the task has it, and as it was on every way out.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// Holds the terminal's mode. Dropping it restores the terminal.
pub(super) struct Raw {
    tty: OwnedFd,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The mode that was found when we first came to the foreground.
    found: Option<Termios>,
    /// Whether ours is set.
    raw: bool,
    /// Whether it is over: nothing is set any more.
    over: bool,
}

impl Raw {
    pub(super) fn new(tty: &OwnedFd) -> rustix::io::Result<Self> {
        Ok(Self { tty: tty.try_clone().map_err(|error| errno(&error))?, state: Mutex::default() })
    }

    /// Sets raw mode where we are in the foreground and it is not set; `false` in the background, where
    /// the terminal is somebody else's.
    pub(super) fn engage(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.over || !in_foreground(self.tty.as_fd()) {
            return false;
        }
        if state.raw {
            return true;
        }
        let found = match state.found.take().map_or_else(|| tcgetattr(&self.tty), Ok) {
            Ok(found) => state.found.insert(found),
            Err(_) => return false,
        };
        let mut mode = found.clone();
        mode.make_raw();
        state.raw = tcsetattr(&self.tty, OptionalActions::Now, &mode).is_ok();
        state.raw
    }

    /// As [`Raw::engage`], after SIGCONT. Where we were stopped, by SIGSTOP too, which nobody can see coming, a shell has set
    /// its own mode meanwhile; where we were not, ours is there still, and what was found before it is what to restore.
    pub(super) fn engage_again(&self) -> bool {
        let is_ours = in_foreground(self.tty.as_fd()) && tcgetattr(&self.tty).is_ok_and(|mode| is_raw(&mode));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.raw &= is_ours;
        if !state.raw {
            state.found = None;
        }
        drop(state);
        self.engage()
    }

    /// Restores the mode that was found, where the terminal is still ours.
    pub(super) fn restore(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut state.raw) || !in_foreground(self.tty.as_fd()) {
            return;
        }
        if let Some(found) = &state.found
            && let Err(error) = tcsetattr(&self.tty, OptionalActions::Now, found)
        {
            crate::cli::say::say(&format!("cannot restore the terminal: {error} (type `reset`)"));
        }
    }

    /// Restores it for good.
    pub(super) fn end(&self) {
        self.restore();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.restore();
    }
}

fn is_raw(mode: &Termios) -> bool {
    !mode.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
}

fn in_foreground(tty: BorrowedFd<'_>) -> bool {
    tcgetpgrp(tty).is_ok_and(|group| group == getpgrp())
}

fn errno(error: &std::io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO)
}
