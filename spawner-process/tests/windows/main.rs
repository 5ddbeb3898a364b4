//! The process backend on Windows. The program is its own task, too: started again with `--part`, it plays one.
//!
//! Who is alive is asked of the system (`eyes.rs`), never of the spawner.
#![allow(clippy::unwrap_used, missing_docs)]

#[cfg(windows)]
mod asked;
#[cfg(windows)]
mod death;
#[cfg(windows)]
mod eyes;
#[cfg(windows)]
mod lives;
#[cfg(windows)]
mod parts;
#[cfg(windows)]
mod quoting;
#[cfg(windows)]
mod recovery;
#[cfg(windows)]
mod run;
#[cfg(windows)]
mod scratch;
#[cfg(windows)]
mod storm;

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "--part") {
        return parts::play(&arguments[2..]);
    }
    run::all(
        [lives::ALL, quoting::ALL, asked::ALL, death::ALL, recovery::ALL, scratch::ALL, storm::ALL].concat(),
    )
}

#[cfg(not(windows))]
fn main() {}
