//! Workloads that leave something behind, or hide it. At most four processes each, and 50 that have ended.

use std::process::Child;
use std::time::Duration;

use super::births::{DETACHED, breaking_away, child, command, daemon};
use super::ends::stopped;
use super::leave;
use super::life::{linger, ready, stay};
use crate::mischief::common::await_ready;
use crate::mischief::{Args, Workload};
use crate::win::thread::{self, Thread};

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("background", background),
    ("background-finishes", background_finishes),
    ("finishes", |_| finishes()),
    ("setsid", set_sid),
    ("daemon", |args| {
        daemon(args, "stays", &[]);
        await_ready(args, 1)
    }),
    ("stubborn-daemon", |args| {
        daemon(args, "stays-deaf", &[]);
        linger()
    }),
    ("environment-cleared", environment_cleared),
    ("dead-leader", |args| {
        child(args, "dead-main", &[]);
        await_ready(args, 1)
    }),
    ("dead-main", |_| dead_main()),
    ("zombies", zombies),
    ("stopped", stopped),
    ("stays", |_| stay()),
];

/// Two children, still there after a normal exit with 7.
fn background(args: &Args) -> i32 {
    child(args, "stays", &[]);
    child(args, "stays", &[]);
    await_ready(args, 2) + 7
}

/// What is behind finishes by itself, 50 ms after the main process.
fn background_finishes(args: &Args) -> i32 {
    child(args, "finishes", &[]);
    await_ready(args, 1)
}

fn finishes() -> i32 {
    ready();
    std::thread::sleep(Duration::from_millis(50));
    0
}

/// The nearest to another session: no console, a group of its own, and out of the job where that is allowed.
fn set_sid(args: &Args) -> i32 {
    breaking_away(&mut command(args, "stays", &[]), DETACHED);
    await_ready(args, 1)
}

/// A process that has nothing of the task's environment, not even its mark.
fn environment_cleared(args: &Args) -> i32 {
    breaking_away(command(args, "stays", &[]).env_clear(), DETACHED);
    await_ready(args, 1)
}

/// A process whose first thread has ended while another lives on.
fn dead_main() -> i32 {
    let Ok(first) = Thread::own() else { return 65 };
    std::thread::spawn(move || {
        first.await_end();
        leave(stay())
    });
    thread::end()
}

/// 50 children that ended, and whose handles are kept; exits then, or stays with `stay`.
fn zombies(args: &Args) -> i32 {
    let mut kept: Vec<Child> = (0..50).map(|_| child(args, "exits", &["0"])).collect();
    if kept.iter_mut().any(|child| child.wait().is_err()) {
        return 72;
    }
    ready();
    if args.text(0) == "stay" { linger() } else { 0 }
}
