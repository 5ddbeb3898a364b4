//! How many system calls starting and ending a task takes, in the harness and in its helpers; and the program that
//! callgrind counts the harness's instructions of.
//!
//! Times are noisy, and these are not: `scripts/instructions.sh` compares them with what they were. The helpers run
//! outside of callgrind, which knows neither clone3 nor pidfds; their work is system calls.

#[cfg(target_os = "linux")]
mod lives;
#[cfg(target_os = "linux")]
mod walk;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("skipped: there is no ptrace here that could be used");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        Some(lives::ARGUMENT) => lives::live(&words[1..]),
        _ => measure(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What is counted: the mechanism, and what the task does.
#[cfg(target_os = "linux")]
const PATHS: [(&str, &str, &str); 3] = [
    ("true-subreaper", "subreaper", "true"),
    ("true-cgroup-v2", "cgroup-v2", "true"),
    ("left-behind-subreaper", "subreaper", "sleep 60 & sleep 60 &"),
];

/// Prints one line for each role and path: its name, and how many system calls one life takes.
#[cfg(target_os = "linux")]
fn measure() -> Result<(), String> {
    use walk::{Role, Walk};
    const ROUNDS: usize = 5;
    const LIVES: u32 = 20;
    for (name, mechanism, task) in PATHS {
        if let Err(why) = lives::possible(mechanism) {
            println!("skipped {name}: {why}");
            continue;
        }
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(Walk::over(mechanism, LIVES, task)?);
        }
        // The supervisor sleeps while keepers are used again.
        for role in [Role::Harness, Role::Keeper] {
            // Who waits when a message comes has more to do than who finds it there.
            let least = rounds.iter().map(|calls| calls[role]).min().unwrap_or(0);
            // A call is a stop before it and one after it.
            println!("{name}-{}-calls {:.1}", role.name(), f64::from(least) / f64::from(2 * LIVES));
        }
    }
    Ok(())
}
