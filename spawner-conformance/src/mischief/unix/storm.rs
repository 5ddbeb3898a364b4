//! Workloads of many processes. Each one states its bound.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::sys::{
    Fork, child, daemon, fork, ignore, linger, live_at_most, over, ready, setsid, shared, stay, until,
};
use crate::mischief::{Args, Workload};

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("chain", chain),
    ("chain-of-sessions", chain_of_sessions),
    ("ring", ring),
    ("wide", wide),
    ("deep", deep),
    ("fork-storm", fork_storm),
    ("fills", fills),
];

const STORM_LIFE: Duration = Duration::from_secs(30);

/// `args[0]` chains, at most four, in which each process forks the next and ends at once. Three alive at
/// a time in each chain, at most a million in all.
fn chain(args: &Args) -> i32 {
    chains(args, false)
}

/// The same, each process in a session of its own.
fn chain_of_sessions(args: &Args) -> i32 {
    chains(args, true)
}

fn chains(args: &Args, apart: bool) -> i32 {
    live_at_most(STORM_LIFE);
    let links = &shared()[0];
    ignore(libc::SIGCHLD);
    for _ in 0..args.number(0).min(4) {
        child(|| {
            setsid();
            while links.load(Relaxed) < 1_000_000 && !over() {
                match fork() {
                    Fork::Child => {
                        if apart {
                            setsid();
                        }
                        links.fetch_add(1, Relaxed)
                    }
                    Fork::Parent(_) => return 0,
                    // There is no room now; there will be.
                    Fork::Failed => {
                        std::thread::sleep(Duration::from_micros(200));
                        continue;
                    }
                };
            }
            0
        });
    }
    until(|| links.load(Relaxed) > 50);
    stay()
}

const RING: usize = 4;

/// What the members of a ring know of each other.
struct Ring {
    beats: &'static [AtomicU64],
    generations: &'static [AtomicU64],
    restarts: &'static AtomicU64,
}

/// Four detached processes that ignore SIGTERM, each restarting the next one when its heart stops. At
/// most 400 restarts.
fn ring(_: &Args) -> i32 {
    live_at_most(STORM_LIFE);
    let (beats, rest) = shared().split_at(RING);
    let (generations, rest) = rest.split_at(RING);
    let ring = Ring { beats, generations, restarts: &rest[0] };
    for position in 0..RING {
        daemon(|| ring.turn(position));
    }
    until(|| beats.iter().all(|beat| beat.load(Relaxed) > 0));
    stay()
}

impl Ring {
    /// The life of one member, which may end as another: the one that it restarted.
    fn turn(&self, mut position: usize) -> i32 {
        ignore(libc::SIGTERM);
        ignore(libc::SIGCHLD);
        let mut generation = 0;
        let (mut seen, mut silent) = (0, 0);
        while !over() && self.generations[position].load(Relaxed) == generation {
            self.beats[position].fetch_add(1, Relaxed);
            std::thread::sleep(Duration::from_millis(1));
            let next = (position + 1) % RING;
            let beat = self.beats[next].load(Relaxed);
            silent = if beat == seen { silent + 1 } else { 0 };
            seen = beat;
            let its = self.generations[next].load(Relaxed);
            let replace = || self.generations[next].compare_exchange(its, its + 1, Relaxed, Relaxed).is_ok();
            if silent > 20 && replace() {
                silent = 0;
                if self.restarts.fetch_add(1, Relaxed) < 400
                    && let Fork::Child = fork()
                {
                    setsid();
                    (position, generation) = (next, its + 1);
                }
            }
        }
        0
    }
}

/// `args[0]` children, at most 1000.
fn wide(args: &Args) -> i32 {
    for _ in 0..args.number(0).min(1000) {
        child(stay);
    }
    stay()
}

/// Each process the child of the one before: `args[0]`, at most 300.
fn deep(args: &Args) -> i32 {
    for _ in 0..args.number(0).min(300) {
        match fork() {
            Fork::Child => {}
            Fork::Parent(_) => return stay(),
            Fork::Failed => return 72,
        }
    }
    stay()
}

/// Everything forks whenever it can and ends soon: 150 alive at a time, 20 000 in all.
fn fork_storm(_: &Args) -> i32 {
    live_at_most(STORM_LIFE);
    let numbers = shared();
    let (alive, made) = (&numbers[0], &numbers[1]);
    ignore(libc::SIGCHLD);
    // One that was killed stays counted as alive, so killing never makes room for more.
    let rage = || {
        let mut rounds = 0;
        while rounds < 100 && !over() && made.load(Relaxed) < 20_000 {
            rounds += 1;
            if alive.fetch_add(1, Relaxed) < 150 {
                made.fetch_add(1, Relaxed);
                match fork() {
                    Fork::Child => {
                        rounds = 0;
                        continue;
                    }
                    Fork::Parent(_) => continue,
                    Fork::Failed => {}
                }
            }
            alive.fetch_sub(1, Relaxed);
            std::thread::sleep(Duration::from_micros(500));
        }
        alive.fetch_sub(1, Relaxed);
        0
    };
    for _ in 0..4 {
        alive.fetch_add(1, Relaxed);
        // Where there is no room, the others rage.
        if let Fork::Child = fork() {
            return rage();
        }
    }
    until(|| made.load(Relaxed) > 40);
    stay()
}

/// As many lingering children as are allowed, at most `args[0]` and never more than 150; one byte more
/// in the lock's file for each.
fn fills(args: &Args) -> i32 {
    for _ in 0..args.number(0).min(150) {
        match fork() {
            Fork::Child => return linger(),
            Fork::Parent(_) => ready(),
            Fork::Failed => break,
        }
    }
    // Says that it is done by what no number of children can make: a file of its own.
    let done = format!("{}.done", args.lock.display());
    if std::fs::write(done, "").is_err() {
        return 65;
    }
    linger()
}
