//! The program `spawner`.
#![allow(unsafe_code)] // One call: only `main` can know that there is one thread yet.

mod cli;

fn main() -> std::process::ExitCode {
    let command = std::env::args_os().nth(1);
    if command.as_deref().is_some_and(|command| command == cli::FAR) {
        return cli::serve_the_far_end();
    }
    spawner_conformance::serve_if_asked(cli::conformance::make);
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
