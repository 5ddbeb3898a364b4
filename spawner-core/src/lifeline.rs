//! Helper processes that outlive the harness just long enough to clean up after it.
//!
//! A helper is the harness's own executable, started again and taken over before `main` by a constructor
//! hook of the backend that gave it a role; or a fork, in a program that owns its `main` and has no second
//! thread yet. It shares one socket with the harness: end of file on it means that the harness is dead,
//! however it died; and so does a [`Watch`], where somebody else holds the socket open. A stopped harness is
//! not a dead one.

#![allow(unsafe_code)] // fork(2) in a program that owns its main, and a socket option.

mod helper;
mod keep;
mod process;
mod system;
mod watch;
mod watcher;

use std::ffi::OsString;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::error::{Error, ErrorKind, Result};
use crate::exits;

pub use helper::serve;
pub use keep::{Keep, Role, Told};
pub use watch::Watch;

/// What the helper finds as its argument zero.
const HELPER: &str = "spawner-lifeline";

/// The harness's end of a helper.
#[derive(Debug)]
pub struct Lifeline {
    /// The socket; closing it tells the helper that the harness is done.
    pub socket: OwnedFd,
    /// The helper, the harness's own child.
    pub helper: Helper,
}

/// A helper, as a child of the harness that must be reaped.
#[derive(Debug)]
pub struct Helper {
    pid: Pid,
    reaped: bool,
}

/// Starts a helper in `role`, from this executable or from `program`.
///
/// The cost does not depend on how much memory the harness has. The helper's standard output and error
/// are closed off, so that it holds no pipe of the harness's open.
pub fn start(role: &str, program: Option<&Path>) -> Result<Lifeline> {
    let (near, far) = pair(role)?;
    let failed = |program: &Path| {
        let program = program.display().to_string();
        move |source| Error::io("start the helper process", program, source)
    };
    let program = match program {
        Some(program) => program.to_owned(),
        None => system::executable().map_err(failed(Path::new("")))?,
    };
    let child = Command::new(&program)
        .arg0(HELPER)
        .arg(role)
        .stdin(Stdio::from(far))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed(&program))?;
    Ok(Lifeline { socket: near, helper: Helper::new(&child) })
}

/// Forks a helper that runs `main` with its end of the socket and never returns.
///
/// # Safety
///
/// The calling process must have one thread only, as a program has at the top of its `main`.
#[allow(clippy::missing_panics_doc)] // It cannot: a forked child has a pid.
pub unsafe fn fork(role: &str, main: fn(OwnedFd) -> !) -> Result<Lifeline> {
    let (near, far) = pair(role)?;
    // SAFETY: there is one thread only, says the caller, so no lock is held by another one.
    match unsafe { libc::fork() } {
        -1 => Err(Error::io("fork the helper process of role", role, std::io::Error::last_os_error())),
        0 => {
            drop(near);
            main(far)
        }
        pid => {
            // UNWRAP: fork returned neither an error nor zero, so it is a pid.
            let pid = Pid::from_raw(pid).expect("a forked child has a pid");
            Ok(Lifeline { socket: near, helper: Helper { pid, reaped: false } })
        }
    }
}

fn pair(role: &str) -> Result<(OwnedFd, OwnedFd)> {
    // Both are closed on exec.
    let pair = UnixStream::pair().and_then(|(near, far)| {
        system::no_signal(&near)?;
        Ok((near.into(), far.into()))
    });
    pair.map_err(|source| Error::io("make a socket for the helper of role", role, source))
}

/// For a constructor hook: runs `main` and never returns where this process was started as a helper in
/// `role`; otherwise returns at once.
pub fn take_over(role: &str, main: fn(OwnedFd) -> !) {
    let mut arguments = std::env::args_os();
    if arguments.next().as_deref() != Some(HELPER.as_ref()) || arguments.next() != Some(OsString::from(role))
    {
        return;
    }
    // SAFETY: `start` gave the socket as standard input, and nothing has run in this process before that
    // could have taken it.
    let socket = unsafe { OwnedFd::from_raw_fd(0) };
    main(socket)
}

/// Whether this hook is part of the executable that this process runs; it is not in a library that some host has
/// loaded, and then a copy of the executable would not be taken over.
pub fn is_in_executable(hook: fn()) -> bool {
    system::is_in_executable(hook as usize)
}

impl Helper {
    fn new(child: &Child) -> Self {
        // UNWRAP: a pid is positive and fits.
        let pid = Pid::from_raw(child.id().cast_signed()).expect("a child has a pid");
        Self { pid, reaped: false }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Whether it has ended; reaps it then.
    pub fn has_ended(&mut self) -> bool {
        if !self.reaped {
            self.reaped = match waitpid(Some(self.pid), WaitOptions::NOHANG) {
                Ok(status) => status.is_some(),
                Err(Errno::INTR) => false,
                // Somebody in the harness reaps every child, or ignores SIGCHLD: it is gone.
                Err(_) => true,
            };
        }
        self.reaped
    }

    /// Waits for it to end by itself, for at most `patience`; blocks the thread.
    pub fn wait(&mut self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        if self.has_ended() {
            return Ok(());
        }
        let notice = exits::notice(self.pid());
        while !self.has_ended() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let subject = format!("with pid {}", self.pid());
                return Err(Error::new(ErrorKind::TimedOut, "see the end of the helper process", subject));
            }
            match &notice {
                Ok(Some(notice)) => wait_readable(notice.as_fd(), left),
                // It is about to be reaped; or nobody gives notice.
                Ok(None) | Err(_) => std::thread::sleep(left.min(Duration::from_millis(1))),
            }
        }
        Ok(())
    }

    /// Lets it go on, should something have stopped it. It is an own child that has not been reaped, so nobody
    /// else has its pid.
    pub fn resume(&mut self) -> Result<()> {
        if self.has_ended() {
            return Ok(());
        }
        kill_process(self.pid, Signal::CONT)
            .map_err(|errno| Error::io("resume the helper process", self.pid().to_string(), errno.into()))
    }

    /// Ends it by force. It is an own child that has not been reaped, so nobody else has its pid.
    pub fn kill(&mut self) -> Result<()> {
        if self.has_ended() {
            return Ok(());
        }
        kill_process(self.pid, Signal::KILL)
            .map_err(|errno| Error::io("end the helper process", self.pid().to_string(), errno.into()))
    }
}

/// Waits for the end of a helper that this process, a subreaper, inherits when the helper's own parent ends, and
/// reaps it; blocks the thread for at most `patience`. Fine where somebody has reaped it.
pub fn reap_inherited(pid: u32, patience: Duration) -> Result<()> {
    let Some(pid) = Pid::from_raw(pid.cast_signed()) else { return Ok(()) };
    // Whoever has reaped it did so before this process became its parent; then there is no such child.
    Helper { pid, reaped: false }.wait(patience)
}

fn wait_readable(fd: std::os::fd::BorrowedFd<'_>, left: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
    // Whatever it says, the caller looks again.
    if poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout)).is_err() {
        std::thread::yield_now();
    }
}
