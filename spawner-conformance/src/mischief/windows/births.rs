//! What a process of a workload starts: this program again, with the lock's file in its hands from the first
//! instant.

use std::io;
use std::os::windows::process::CommandExt as _;
use std::process::{Child, Command};

use super::leave;
use super::life::handed_on;
use crate::mischief::Args;

const DETACHED_PROCESS: u32 = 0x8;
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
const CREATE_BREAKAWAY_FROM_JOB: u32 = 0x0100_0000;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// Without a console, and in a group of its own.
pub(super) const DETACHED: u32 = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
/// At a console that nobody sees, and in a group of its own.
pub(super) const HIDDEN: u32 = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP;

/// How another workload with the same lock and token is started.
pub(super) fn command(args: &Args, name: &str, rest: &[&str]) -> Command {
    let Ok(own) = std::env::current_exe() else { leave(65) };
    let mut words = args.of(name, own.as_os_str()).into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    let (variable, value) = handed_on(args);
    command.args(words).args(rest).env(variable, value);
    command
}

/// A child that is another workload.
pub(super) fn child(args: &Args, name: &str, rest: &[&str]) -> Child {
    try_child(args, name, rest).unwrap_or_else(|_| leave(72))
}

/// The same, where there may be no room for it.
pub(super) fn try_child(args: &Args, name: &str, rest: &[&str]) -> io::Result<Child> {
    command(args, name, rest).spawn()
}

/// Starts it out of this process's job where that is allowed, within it where not.
pub(super) fn breaking_away(command: &mut Command, how: u32) -> Child {
    let away = command.creation_flags(how | CREATE_BREAKAWAY_FROM_JOB).spawn();
    away.or_else(|_| command.creation_flags(how).spawn()).unwrap_or_else(|_| leave(72))
}

/// A process that is nobody's child any more, has no console, and has left the job where it could.
pub(super) fn daemon(args: &Args, name: &str, rest: &[&str]) {
    let mut words = vec![name];
    words.extend(rest);
    let mut between = breaking_away(&mut command(args, "starts", &words), DETACHED);
    if between.wait().is_err() {
        leave(72);
    }
}

/// Starts another workload out of sight, and ends.
pub(super) fn starts(args: &Args) -> i32 {
    let rest: Vec<_> = (1..args.rest.len()).map(|index| args.text(index)).collect();
    breaking_away(&mut command(args, args.text(0), &rest), HIDDEN);
    0
}
