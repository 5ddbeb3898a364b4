//! The program `spawner`.
#![allow(unsafe_code)] // One call: only `main` can know that there is one thread yet.

mod cli;

fn main() {
    let status = all();
    // An `ExitCode` has 8 bits, and a status of Windows has 32. Nothing is left here that would have to be dropped.
    std::process::exit(status)
}

/// The whole program; says with which status it ends.
fn all() -> i32 {
    let command = std::env::args_os().nth(1);
    let word = command.as_deref().and_then(|command| command.to_str());
    if let Some(status) = word.and_then(cli::serve_the_far_end) {
        return status;
    }
    cli::conformance::serve_if_asked();
    if command.is_some_and(|command| command == "run") {
        // SAFETY: this is the top of `main`, and nothing before it has started a thread.
        if let Err(error) = unsafe { spawner::process::fork_supervisor() } {
            return cli::fail(error);
        }
    }
    let status = cli::main();
    match spawner::process::dismiss_supervisor() {
        Ok(()) => status,
        Err(error) => cli::fail(error),
    }
}
