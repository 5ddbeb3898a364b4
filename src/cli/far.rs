//! `spawner as-subreaper PROGRAM ARGUMENTS`: for another machine's remote backend, which finds this program here. It
//! becomes the program, as a process to which every orphan below falls, as perl or python3 would have it.

use super::failure::Failure;

/// The word.
pub(crate) const FAR: &str = "as-subreaper";

/// Becomes the program; comes back only where that fails.
pub(crate) fn serve_the_far_end() -> i32 {
    let failure = become_it();
    failure.say();
    failure.status
}

#[cfg(target_os = "linux")]
fn become_it() -> Failure {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{getpid, set_child_subreaper};

    let mut words = std::env::args_os().skip(2);
    let Some(program) = words.next() else {
        return Failure::new(format!("`{FAR}` becomes a program, and none is named"));
    };
    if let Err(error) = set_child_subreaper(Some(getpid())) {
        return Failure::new(format!("cannot become a subreaper: {error}"));
    }
    // It sets SIGPIPE back to what it was before this program.
    let error = std::process::Command::new(&program).args(words).exec();
    Failure::new(format!("cannot execute {}: {error}", program.display()))
}

#[cfg(not(target_os = "linux"))]
fn become_it() -> Failure {
    Failure::new("only Linux has subreapers")
}
