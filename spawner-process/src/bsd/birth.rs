//! Starts the main process of a task: in a session of its own, with its streams and its mark.

#![allow(unsafe_code)] // What runs between fork(2) and execve(2).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{ioctl_tiocsctty, setsid};
use spawner_core::TaskSpec;

/// Starts it. `streams` are its standard streams, and `terminal` says which of them is to be its controlling terminal.
/// Returns once the program was executed; the error is that of whichever step failed, execve(2) in the end.
pub(super) fn start(
    spec: &TaskSpec,
    environment: BTreeMap<OsString, OsString>,
    streams: Vec<OwnedFd>,
    terminal: Option<u8>,
) -> io::Result<Child> {
    let mut argv = spec.argv.iter();
    let program = argv.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(argv).env_clear().envs(environment);
    if let Some(folder) = &spec.cwd {
        command.current_dir(folder);
    }
    let mut streams = streams.into_iter();
    let mut next = || streams.next().map_or_else(Stdio::null, Stdio::from);
    command.stdin(next()).stdout(next()).stderr(next());
    let in_child = move || {
        setsid()?;
        if let Some(number) = terminal {
            // SAFETY: the standard streams are in place by now, and nobody closes them before execve(2).
            let terminal = unsafe { BorrowedFd::borrow_raw(number.into()) };
            ioctl_tiocsctty(terminal)?;
        }
        Ok(())
    };
    // SAFETY: it makes system calls only, no allocation, and takes no lock.
    unsafe { command.pre_exec(in_child) };
    command.spawn()
}
