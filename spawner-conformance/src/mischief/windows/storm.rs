//! Workloads of many processes. Each one states its bound.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::births::{DETACHED, breaking_away, child, command, daemon, try_child};
use super::leave;
use super::life::{linger, over, ready, stay, until};
use crate::mischief::{Args, Workload};
use crate::win::memory;

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("chain", |args| chains(args, "link")),
    ("chain-of-sessions", |args| chains(args, "link-apart")),
    ("link", |args| link(args, false)),
    ("link-apart", |args| link(args, true)),
    ("ring", ring),
    ("ring-member", member),
    ("wide", wide),
    ("deep", deep),
    ("fork-storm", fork_storm),
    ("rages", rages),
    ("fills", fills),
    ("lingers", |_| linger()),
];

/// Numbers that all processes of a workload see alike.
fn shared(args: &Args) -> &'static [AtomicU64; 64] {
    memory::shared(&args.token.to_string_lossy()).unwrap_or_else(|_| leave(71))
}

/// `args[0]` chains, at most four, in which each process starts the next and ends at once. Three alive at a time in
/// each chain, at most 20 000 in all.
fn chains(args: &Args, link: &str) -> i32 {
    let links = &shared(args)[0];
    for _ in 0..args.number(0).min(4) {
        child(args, link, &[]);
    }
    until(|| links.load(Relaxed) > 20);
    stay()
}

fn link(args: &Args, apart: bool) -> i32 {
    let links = &shared(args)[0];
    while links.fetch_add(1, Relaxed) < 20_000 && !over() {
        let mut next = command(args, if apart { "link-apart" } else { "link" }, &[]);
        if apart {
            breaking_away(&mut next, DETACHED);
            return 0;
        }
        if next.spawn().is_ok() {
            return 0;
        }
        // There is no room now; there will be.
        std::thread::sleep(Duration::from_millis(1));
    }
    0
}

const RING: usize = 4;

/// Four detached processes that are deaf to the console, each restarting the next one when its heart stops. At most
/// 40 restarts.
fn ring(args: &Args) -> i32 {
    let beats = &shared(args)[..RING];
    for position in 0..RING {
        daemon(args, "ring-member", &[&position.to_string(), "0"]);
    }
    until(|| beats.iter().all(|beat| beat.load(Relaxed) > 0));
    stay()
}

/// One member: `args[0]` is its position, `args[1]` of which generation it is.
fn member(args: &Args) -> i32 {
    if crate::win::console::listen().is_err() {
        return 65;
    }
    let (beats, rest) = shared(args).split_at(RING);
    let (generations, rest) = rest.split_at(RING);
    let (generation, next) = (args.number(1), usize::try_from(args.number(0) + 1).unwrap_or(0) % RING);
    let position = (next + RING - 1) % RING;
    let (mut seen, mut silent) = (0, 0);
    while !over() && generations[position].load(Relaxed) == generation {
        beats[position].fetch_add(1, Relaxed);
        std::thread::sleep(Duration::from_millis(1));
        let beat = beats[next].load(Relaxed);
        silent = if beat == seen { silent + 1 } else { 0 };
        seen = beat;
        let its = generations[next].load(Relaxed);
        let replace = || generations[next].compare_exchange(its, its + 1, Relaxed, Relaxed).is_ok();
        if silent > 100 && replace() {
            silent = 0;
            if rest[0].fetch_add(1, Relaxed) < 40 {
                daemon(args, "ring-member", &[&next.to_string(), &(its + 1).to_string()]);
            }
        }
    }
    0
}

/// `args[0]` children, at most 1000.
fn wide(args: &Args) -> i32 {
    for _ in 0..args.number(0).min(1000) {
        child(args, "stays", &[]);
    }
    stay()
}

/// Each process the child of the one before: `args[0]`, at most 300.
fn deep(args: &Args) -> i32 {
    let left = args.number(0).min(300);
    if left > 0 {
        child(args, "deep", &[&(left - 1).to_string()]);
    }
    stay()
}

/// Everything starts others whenever it can and ends soon: 60 alive at a time, 5000 in all.
fn fork_storm(args: &Args) -> i32 {
    let numbers = shared(args);
    for _ in 0..4 {
        numbers[0].fetch_add(1, Relaxed);
        // Where there is no room, the others rage.
        if try_child(args, "rages", &[]).is_err() {
            numbers[0].fetch_sub(1, Relaxed);
        }
    }
    until(|| numbers[1].load(Relaxed) > 20);
    stay()
}

/// One that was killed stays counted as alive, so killing never makes room for more.
fn rages(args: &Args) -> i32 {
    let numbers = shared(args);
    let (alive, made) = (&numbers[0], &numbers[1]);
    let mut rounds = 0;
    while rounds < 30 && !over() && made.load(Relaxed) < 5000 {
        rounds += 1;
        if alive.fetch_add(1, Relaxed) < 60 {
            made.fetch_add(1, Relaxed);
            if try_child(args, "rages", &[]).is_ok() {
                continue;
            }
        }
        alive.fetch_sub(1, Relaxed);
        std::thread::sleep(Duration::from_millis(2));
    }
    alive.fetch_sub(1, Relaxed);
    0
}

/// As many lingering children as are allowed, at most `args[0]` and never more than 150; one byte more in the lock's
/// file for each.
fn fills(args: &Args) -> i32 {
    for _ in 0..args.number(0).min(150) {
        if try_child(args, "lingers", &[]).is_err() {
            break;
        }
        ready();
    }
    // Says that it is done by what no number of children can make: a file of its own.
    let done = format!("{}.done", args.lock.display());
    if std::fs::write(done, "").is_err() {
        return 65;
    }
    linger()
}
