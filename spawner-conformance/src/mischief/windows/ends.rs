//! Workloads about how a task ends. At most 500 short-lived children, one at a time, and three processes otherwise.

use std::time::Duration;

use super::births::{child, daemon, starts};
use super::leave;
use super::life::{linger, ready, stay};
use crate::mischief::{Args, Workload};
use crate::win::{console, process};

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("well-behaved", |_| stay()),
    ("ignores-term", ignores_term),
    ("stays-deaf", |_| stays_deaf()),
    ("takes-its-grace", |_| takes_its_grace()),
    ("asks-its-child", asks_its_child),
    ("tells-when-asked", |_| tells_when_asked()),
    ("heeds-a-signal", |_| heeds()),
    ("heeds-an-interrupt", |_| heeds()),
    ("faults", |_| process::fault()),
    ("overflows", |_| overflows()),
    ("daemon-on-term", daemon_on_term),
    ("short-lived", short_lived),
    ("starts", starts),
];

/// Is deaf to what the console says from here on, but for counting it.
fn listen() {
    if console::listen().is_err() {
        leave(65);
    }
}

/// Waits until the console has said something since this process listens.
fn await_asked() {
    while console::asked() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn ignores_term(args: &Args) -> i32 {
    child(args, "stays-deaf", &[]);
    stays_deaf()
}

fn stays_deaf() -> i32 {
    listen();
    stay()
}

/// Takes 100 ms to put its things in order, then exits with 42.
fn takes_its_grace() -> i32 {
    listen();
    ready();
    await_asked();
    std::thread::sleep(Duration::from_millis(100));
    42
}

/// Ends its child itself when it is asked to end; a child that is asked too tells so by one byte more.
fn asks_its_child(args: &Args) -> i32 {
    listen();
    let mut inner = child(args, "tells-when-asked", &[]);
    ready();
    await_asked();
    // Long enough for a child that was asked to say so.
    std::thread::sleep(Duration::from_millis(100));
    if inner.kill().and_then(|()| inner.wait()).is_err() {
        return 72;
    }
    42
}

fn tells_when_asked() -> i32 {
    listen();
    ready();
    await_asked();
    stay()
}

fn heeds() -> i32 {
    listen();
    ready();
    await_asked();
    33
}

/// In a thread of the library's, which leaves room on a full stack for telling of that.
fn overflows() -> i32 {
    std::thread::spawn(|| overflow(0)).join().map_or(70, |_| 0)
}

/// Fills its stack, until nothing is left of it.
#[expect(unconditional_recursion, reason = "that is the point")]
fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    overflow(depth + 1) + frame[0]
}

fn daemon_on_term(args: &Args) -> i32 {
    listen();
    ready();
    await_asked();
    daemon(args, "stays-deaf", &[]);
    0
}

fn short_lived(args: &Args) -> i32 {
    for _ in 0..args.number(0).min(500) {
        if child(args, "exits", &["0"]).wait().is_err() {
            return 72;
        }
    }
    0
}

/// What is started to stand still: its parent sees to that.
pub(super) fn stopped(args: &Args) -> i32 {
    let inner = child(args, "stays", &[]);
    crate::mischief::common::await_ready(args, 1);
    if process::Process::of(&inner).and_then(|inner| inner.suspend()).is_err() {
        return 65;
    }
    ready();
    linger()
}
