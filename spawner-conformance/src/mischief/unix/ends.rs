//! Workloads about how a task ends, and what it uses until then. At most 500 short-lived children, one
//! at a time, and three processes otherwise.

use std::time::Duration;

use super::sys::{
    await_signal, block, child, daemon, exec, fault, ignore, kill, raise, ready, reap, stay, unblock,
};
use crate::mischief::{Args, Workload};

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("well-behaved", |_| stay()),
    ("ignores-term", ignores_term),
    ("dies-of", dies_of),
    ("takes-its-grace", takes_its_grace),
    ("asks-its-child", asks_its_child),
    ("heeds-a-signal", |_| heeds(libc::SIGUSR1)),
    ("heeds-an-interrupt", |_| heeds(libc::SIGINT)),
    ("faults", |_| fault()),
    ("daemon-on-term", daemon_on_term),
    ("short-lived", short_lived),
    ("becomes", becomes),
];

fn ignores_term(_: &Args) -> i32 {
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
        ignore(signal);
    }
    child(stay);
    stay()
}

fn dies_of(args: &Args) -> i32 {
    raise(i32::try_from(args.number(0)).unwrap_or(0));
    66
}

/// Takes 100 ms to put its things in order, then exits with 42.
fn takes_its_grace(_: &Args) -> i32 {
    block(&[libc::SIGTERM]);
    ready();
    await_signal(&[libc::SIGTERM]);
    std::thread::sleep(Duration::from_millis(100));
    42
}

/// Ends its child itself when it is asked to end; a child that is asked too tells so by one byte more.
fn asks_its_child(_: &Args) -> i32 {
    block(&[libc::SIGTERM]);
    let inner = child(|| {
        ready();
        await_signal(&[libc::SIGTERM]);
        stay()
    });
    ready();
    await_signal(&[libc::SIGTERM]);
    // Long enough for a child that was asked to say so.
    std::thread::sleep(Duration::from_millis(100));
    kill(inner, libc::SIGKILL);
    reap(inner, 0);
    42
}

fn heeds(signal: i32) -> i32 {
    block(&[signal]);
    ready();
    await_signal(&[signal]);
    33
}

fn daemon_on_term(_: &Args) -> i32 {
    block(&[libc::SIGTERM]);
    ready();
    await_signal(&[libc::SIGTERM]);
    daemon(|| {
        ignore(libc::SIGTERM);
        unblock(&[libc::SIGTERM]);
        stay()
    });
    0
}

fn short_lived(args: &Args) -> i32 {
    for _ in 0..args.number(0).min(500) {
        reap(child(|| 0), 0);
    }
    0
}

/// Becomes another program, which inherits the lock.
fn becomes(args: &Args) -> i32 {
    let words: Vec<_> = args.rest.iter().map(std::ffi::OsString::as_os_str).collect();
    words.first().map_or(64, |program| exec(program, &words, None))
}
