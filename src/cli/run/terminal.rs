//! The terminal of the person at the keyboard, lent to the task through a pseudo-terminal of its own.

mod raw;
mod relay;
mod tty;

use std::io::IsTerminal as _;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::termios::{tcgetpgrp, tcgetwinsize};
use spawner::stream::Terminal;
use spawner::{Error, ErrorKind, Input, Level, Output, Result, Spawner, TaskSpec, WindowSize};

use self::raw::Raw;
use self::relay::Relay;
use crate::cli::args::When;

/// Our terminal, opened once more: what we set on this descriptor concerns nobody who shares the others.
pub(super) struct Host {
    tty: OwnedFd,
}

/// Decides whether the task gets a terminal, and which of its streams go there.
pub(super) fn host(when: When, spec: &mut TaskSpec, spawner: &dyn Spawner) -> Result<Option<Host>> {
    let wanted = match when {
        When::Never => false,
        When::Always => true,
        // The reader of a pipe, a pager, may want the keys; the task must not take them from it.
        When::Auto => {
            std::io::stdin().is_terminal()
                && !is_pipe(std::io::stdout())
                && (spawner.kind() != "podman" || goes_there_alone())
        }
    };
    // Asked last: what a backend is capable of is not always known without a look at the host.
    if !wanted || (when == When::Auto && spawner.capabilities().terminal.level() == Level::Unsupported) {
        return Ok(None);
    }
    let tty = match own_terminal() {
        Ok(tty) => tty,
        Err(_) if when == When::Auto => return Ok(None),
        Err(errno) => {
            return Err(Error::new(ErrorKind::Io, "give the task a terminal", "")
                .because(std::io::Error::from(errno))
                .hint("standard input must be the terminal that controls this session"));
        }
    };
    spec.stdin = Input::Terminal;
    if same_terminal(std::io::stdout()) {
        spec.stdout = Output::Terminal;
    }
    if same_terminal(std::io::stderr()) {
        spec.stderr = Output::Terminal;
    }
    spec.window = size(&tty);
    Ok(Some(Host { tty }))
}

/// Opens the controlling terminal of our session, where that is our standard input, and the group in front has a number
/// here: one of another pid namespace has none, and whose turn it is cannot be told.
fn own_terminal() -> rustix::io::Result<OwnedFd> {
    tcgetpgrp(std::io::stdin())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if cfg!(target_os = "linux") {
        return open("/dev/tty", flags, Mode::empty());
    }
    // Elsewhere, /dev/tty cannot be awaited.
    let name = rustix::termios::ttyname(std::io::stdin(), Vec::new())?;
    open(name, flags, Mode::empty())
}

/// Whether all that a task says goes to our terminal: a container has one for all of its streams, or for none.
fn goes_there_alone() -> bool {
    same_terminal(std::io::stdout()) && same_terminal(std::io::stderr())
}

/// Whether a stream goes to the terminal that our standard input comes from.
fn same_terminal(stream: impl AsFd) -> bool {
    let device = |status: rustix::fs::Stat| status.st_rdev;
    rustix::termios::isatty(&stream)
        && matches!(
            (fstat(&stream).map(device), fstat(std::io::stdin()).map(device)),
            (Ok(one), Ok(other)) if one == other
        )
}

fn is_pipe(stream: impl AsFd) -> bool {
    use rustix::fs::FileType;
    fstat(stream).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Fifo)
}

fn size(tty: &impl AsFd) -> Option<WindowSize> {
    let size = tcgetwinsize(tty).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0)?;
    Some(WindowSize { rows: size.ws_row, columns: size.ws_col })
}

impl Host {
    /// Joins our terminal with the near end of the task's.
    pub(super) fn relay(self, near: Option<Terminal>) -> Result<Relay> {
        let Some(near) = near else {
            return Err(Error::new(ErrorKind::Io, "have", "the near end of the task's terminal"));
        };
        let failed = |error: std::io::Error| Error::io("use", "the terminal", error);
        let raw = Raw::new(&self.tty).map_err(|errno: Errno| failed(errno.into()))?;
        Relay::start(self.tty, Arc::new(raw), near).map_err(failed)
    }
}
