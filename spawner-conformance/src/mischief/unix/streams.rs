//! Workloads about standard streams, and about what a task sees of the world. Two processes at most.

use std::io::IsTerminal as _;

use super::sys::{await_signal, block, child, in_front_of, leads_session, ready, setsid, stay, window};
use crate::mischief::common::{await_ready, say};
use crate::mischief::{Args, Workload};

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("holds-stdout", holds_stdout),
    ("tells-descriptors", tells_descriptors),
    ("tells-signals", tells_signals),
    ("tells-terminal", tells_terminal),
    ("watches-window", watches_window),
    ("on-duty", on_duty),
];

/// Says `held`, and leaves a process of another session behind that keeps standard output open.
fn holds_stdout(args: &Args) -> i32 {
    child(|| {
        setsid();
        stay()
    });
    say(b"held\n");
    await_ready(args, 1)
}

/// Says so on standard output, and says goodbye on both outputs when it is sent SIGUSR1.
fn on_duty(_: &Args) -> i32 {
    block(&[libc::SIGUSR1]);
    let begun = say(b"on duty\n");
    ready();
    await_signal(&[libc::SIGUSR1]);
    eprintln!("nothing happened");
    begun + say(b"off duty\n") + 33
}

/// The descriptors that it was started with, but for the lock; one number in each line.
fn tells_descriptors(args: &Args) -> i32 {
    let mut told = String::new();
    for fd in 0..1024 {
        let Ok(target) = std::fs::read_link(format!("/proc/self/fd/{fd}")) else { continue };
        if target != args.lock {
            told += &[&fd.to_string(), " ", &target.to_string_lossy(), "\n"].concat();
        }
    }
    say(told.as_bytes())
}

/// The lines of `/proc/self/status` about signals.
fn tells_signals(_: &Args) -> i32 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 65 };
    let told: Vec<_> = status.lines().filter(|line| line.starts_with("Sig")).collect();
    say(told.join("\n").as_bytes())
}

fn tells_terminal(_: &Args) -> i32 {
    let yes =
        [std::io::stdin().is_terminal(), std::io::stdout().is_terminal(), std::io::stderr().is_terminal()];
    let (rows, columns) = window(0);
    let (leads, front) = (leads_session(), in_front_of(0));
    say(format!("terminals {yes:?} leads {leads} front {front} size {rows}x{columns}\n").as_bytes())
}

fn watches_window(args: &Args) -> i32 {
    block(&[libc::SIGWINCH]);
    ready();
    let (mut rows, mut columns) = (0, 0);
    // The signal of the first size may still be on its way.
    while (u64::from(rows), u64::from(columns)) != (args.number(0), args.number(1)) {
        await_signal(&[libc::SIGWINCH]);
        (rows, columns) = window(0);
    }
    say(format!("now {rows}x{columns}\n").as_bytes())
}
