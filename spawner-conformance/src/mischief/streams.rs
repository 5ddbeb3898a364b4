//! Workloads about standard streams, and about what a task sees of the world. Two processes at most.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;

use super::detach::await_ready;
use super::sys::{await_signal, block, child, in_front_of, leads_session, ready, setsid, stay, window};
use super::{Args, Workload};

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("holds-stdout", holds_stdout),
    ("pours", pours),
    ("echoes", echoes),
    ("tells-arguments", |args| say(joined(&args.rest).as_slice())),
    ("tells-environment", tells_environment),
    ("tells-folder", tells_folder),
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

/// `args[0]` bytes in lines of 64, on standard output.
fn pours(args: &Args) -> i32 {
    let mut out = std::io::stdout().lock();
    for line in 0..args.number(0) / 64 {
        if out.write_all(format!("{line:063}\n").as_bytes()).is_err() {
            return 74;
        }
    }
    out.flush().map_or(74, |()| 0)
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

fn echoes(_: &Args) -> i32 {
    let mut all = Vec::new();
    std::io::stdin().read_to_end(&mut all).map_or(74, |_| say(&all))
}

fn tells_environment(_: &Args) -> i32 {
    let all: Vec<OsString> = std::env::vars_os()
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        })
        .collect();
    say(&joined(&all))
}

fn tells_folder(_: &Args) -> i32 {
    std::env::current_dir().map_or(65, |folder| say(folder.as_os_str().as_bytes()))
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

fn joined(texts: &[OsString]) -> Vec<u8> {
    texts.iter().flat_map(|text| text.as_bytes().iter().copied().chain([0])).collect()
}

fn say(what: &[u8]) -> i32 {
    let mut out = std::io::stdout().lock();
    out.write_all(what).and_then(|()| out.flush()).map_or(74, |()| 0)
}
