//! Workloads that leave something behind, or hide it. At most four processes each.

use super::sys::{child, daemon, exec, ignore, linger, ready, setsid, stay};
use crate::mischief::common::await_ready;
use crate::mischief::{Args, Workload};

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("background", background),
    ("background-finishes", background_finishes),
    ("setsid", set_sid),
    ("daemon", |args| {
        daemon(stay);
        await_ready(args, 1)
    }),
    ("stubborn-daemon", |_| {
        daemon(|| {
            ignore(libc::SIGTERM);
            stay()
        });
        linger()
    }),
    ("environment-cleared", environment_cleared),
    ("stays", |_| stay()),
];

/// Two children, still there after a normal exit with 7.
fn background(args: &Args) -> i32 {
    child(stay);
    child(stay);
    await_ready(args, 2) + 7
}

/// What is behind finishes by itself, 50 ms after the main process.
fn background_finishes(args: &Args) -> i32 {
    child(|| {
        ready();
        std::thread::sleep(std::time::Duration::from_millis(50));
        0
    });
    await_ready(args, 1)
}

fn set_sid(args: &Args) -> i32 {
    child(|| {
        setsid();
        stay()
    });
    await_ready(args, 1)
}

/// A daemon that has nothing of the task's environment, not even its mark.
fn environment_cleared(args: &Args) -> i32 {
    let Ok(own) = std::env::current_exe() else { return 65 };
    daemon(|| exec(own.as_os_str(), &args.of("stays", own.as_os_str()), Some(&[])));
    await_ready(args, 1)
}
