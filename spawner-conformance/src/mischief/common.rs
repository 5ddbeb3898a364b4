//! Workloads that are the same everywhere: what a task sees, writes and uses. One process each.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use super::platform::{cpu_used, linger, ready, until};
use super::{Args, Workload};

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("exits", |args| i32::try_from(args.number(0)).unwrap_or(64)),
    ("burns", burns),
    ("eats", eats),
    ("pours", pours),
    ("echoes", echoes),
    ("tells-arguments", |args| say(joined(&args.rest).as_slice())),
    ("tells-environment", tells_environment),
    ("tells-folder", tells_folder),
];

/// Keeps a CPU busy: `cpu MS` until that much of it was used, `wall MS` for that long; then writes to the
/// file how many milliseconds of CPU it had.
fn burns(args: &Args) -> i32 {
    let (kind, amount, file) = (args.text(0), args.number(1), args.os(2));
    let began = Instant::now();
    let mut noise = 1_u64;
    while if kind == "cpu" { cpu_used() < amount } else { began.elapsed() < Duration::from_millis(amount) } {
        for _ in 0..10_000 {
            noise = std::hint::black_box(noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
    std::fs::write(file, cpu_used().to_string()).map_or(65, |()| 0)
}

/// Takes `args[0]` MiB of memory, never more than 512.
fn eats(args: &Args) -> i32 {
    const MIB: usize = 1024 * 1024;
    let mut eaten = Vec::new();
    for _ in 0..args.number(0).min(512) {
        eaten.push(std::hint::black_box(vec![1_u8; MIB]));
    }
    if args.text(1) == "stay" {
        ready();
        linger();
    }
    9
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
    std::env::current_dir().map_or(65, |folder| say(folder.as_os_str().as_encoded_bytes()))
}

fn joined(texts: &[OsString]) -> Vec<u8> {
    texts.iter().flat_map(|text| text.as_encoded_bytes().iter().copied().chain([0])).collect()
}

pub(super) fn say(what: &[u8]) -> i32 {
    let mut out = std::io::stdout().lock();
    out.write_all(what).and_then(|()| out.flush()).map_or(74, |()| 0)
}

/// Waits until `count` processes are where they should be.
pub(super) fn await_ready(args: &Args, count: u64) -> i32 {
    until(|| std::fs::metadata(&args.lock).is_ok_and(|file| file.len() >= count));
    0
}
