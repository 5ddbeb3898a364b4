//! The workloads: tasks that make it hard to be ended.
//!
//! They are compiled into whatever program links this crate and run by executing that program again:
//! `PROGRAM spawner-mischief NAME LOCKFILE TOKEN ARGS…`. Each one takes the witness's lock first and
//! tells, by the length of that file, how many of its processes are where they should be. Each process
//! of a workload ends by itself within a minute, and each workload says how many it makes at most.

mod common;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

pub(crate) use platform::{READS_PROC, heed_the_terminal};

use std::ffi::{OsStr, OsString};

/// The first argument of a program that is to be a workload.
pub const ARGUMENT: &str = "spawner-mischief";

/// What is added to the name of the lock's file for that of the file which ends a storm.
pub(crate) const STOP: &str = ".stop";

type Workload = fn(&Args) -> i32;

/// What a workload was told.
struct Args {
    lock: OsString,
    token: OsString,
    rest: Vec<OsString>,
}

impl Args {
    fn os(&self, index: usize) -> &OsStr {
        self.rest.get(index).map_or(OsStr::new(""), OsString::as_os_str)
    }

    fn text(&self, index: usize) -> &str {
        self.os(index).to_str().unwrap_or("")
    }

    fn number(&self, index: usize) -> u64 {
        self.text(index).parse().unwrap_or_else(|_| platform::leave(64))
    }

    /// The arguments that make this program another workload with the same lock and token.
    fn of<'a>(&'a self, name: &'a str, own_name: &'a OsStr) -> Vec<&'a OsStr> {
        vec![own_name, ARGUMENT.as_ref(), name.as_ref(), &self.lock, &self.token]
    }
}

// The hook works wherever this crate is linked: the `spawner` program, tests, benchmarks.
ctor::declarative::ctor! {
    #[ctor(unsafe)]
    fn hook() {
        run_if_asked();
    }
}

/// Becomes a workload and never returns, where this program was started to be one.
///
/// A hook calls it before `main` wherever that is possible; a program whose hooks do not run calls it
/// first thing in its `main`.
pub fn run_if_asked() {
    let privileged = platform::privileged_copy();
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != ARGUMENT) {
        if privileged {
            // A set-uid copy serves as the helper below and for nothing else.
            platform::leave(77);
        }
        return;
    }
    let (Some(name), Some(lock), Some(token)) = (args.next(), args.next(), args.next()) else {
        platform::leave(64)
    };
    let args = Args { lock, token, rest: args.collect() };
    let name = name.to_string_lossy();
    platform::become_helper(&name);
    if privileged {
        platform::leave(77);
    }
    let Some(workload) = find(&name) else {
        eprintln!("`{name}` is no workload of this suite");
        platform::leave(64);
    };
    if let Err(error) = platform::begin(&name, &args) {
        eprintln!("cannot take the lock {}: {error}", args.lock.display());
        platform::leave(64);
    }
    platform::leave(workload(&args))
}

fn find(name: &str) -> Option<Workload> {
    let mut workloads = common::WORKLOADS.iter().chain(platform::tables().flatten());
    workloads.find(|(own, _)| *own == name).map(|(_, workload)| *workload)
}
