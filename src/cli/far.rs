//! What another machine's remote backend finds this program here for, where it would else use perl or python3:
//!
//! * `spawner as-subreaper PROGRAM ARGUMENTS` becomes the program, as a process to which every orphan below falls;
//! * `spawner as-timer` reads times in seconds, and writes `tick` when each has passed.

use std::io::Write as _;
use std::time::Duration;

use super::failure::Failure;

const SUBREAPER: &str = "as-subreaper";
const TIMER: &str = "as-timer";

/// What is asked for by the first word, where that is one of those above.
pub(crate) fn serve_the_far_end(word: &str) -> Option<i32> {
    let failure = match word {
        SUBREAPER => become_it(),
        TIMER => match tick() {
            Ok(()) => return Some(0),
            Err(failure) => failure,
        },
        _ => return None,
    };
    failure.say();
    Some(failure.status)
}

/// One line for each, until there are no more.
fn tick() -> Result<(), Failure> {
    for line in std::io::stdin().lines() {
        let line = line.map_err(|error| Failure::new(format!("cannot read a time: {error}")))?;
        let seconds = line.parse().map(Duration::try_from_secs_f64);
        let Ok(Ok(time)) = seconds else {
            return Err(Failure::new(format!("`{TIMER}` reads times in seconds, and `{line}` is none")));
        };
        std::thread::sleep(time);
        // It is written at once: the line ends.
        let mut out = std::io::stdout();
        writeln!(out, "tick").map_err(|error| Failure::new(format!("cannot write a tick: {error}")))?;
    }
    Ok(())
}

/// Comes back only where that fails.
#[cfg(target_os = "linux")]
fn become_it() -> Failure {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{getpid, set_child_subreaper};

    let mut words = std::env::args_os().skip(2);
    let Some(program) = words.next() else {
        return Failure::new(format!("`{SUBREAPER}` becomes a program, and none is named"));
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
