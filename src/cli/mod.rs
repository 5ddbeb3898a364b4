//! The program: what is written on the command line, and what comes of it.

mod args;
mod capabilities;
mod command;
mod completions;
#[cfg_attr(not(any(target_os = "linux", windows)), path = "conformance/none.rs")]
pub(crate) mod conformance;
mod doctor;
mod failure;
mod far;
mod log;
mod out;
mod prepare;
mod pull;
mod report;
mod run;
mod runtime;
mod say;
mod schema;
mod status;
mod stop;
mod system;
mod tasks;
mod values;

use clap::Parser as _;

use self::args::{Arguments, Command};
pub(crate) use self::far::serve_the_far_end;

/// Runs the program; says with which status it ends.
pub(crate) fn main() -> i32 {
    let arguments = match Arguments::quickly().map_or_else(Arguments::try_parse, Ok) {
        Ok(arguments) => arguments,
        Err(error) => return complain(&error),
    };
    let done = log::start(arguments.verbose).and_then(|()| match arguments.command {
        Command::Run(options) => run::run(&options),
        Command::Start(options) => tasks::start(&options),
        Command::Ps(options) => tasks::ps(&options),
        Command::Wait(options) => tasks::wait(&options),
        Command::Logs(options) => tasks::logs(&options),
        Command::Destroy(options) => tasks::destroy(&options),
        Command::Sweep(options) => tasks::sweep(&options),
        Command::Capabilities(options) => capabilities::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Conformance(options) => conformance::run(options),
        Command::Completions { shell } => completions::run(shell),
        Command::Schema { document } => schema::run(document),
    });
    match done {
        Ok(status) => status,
        Err(failure) => {
            failure.say();
            failure.status
        }
    }
}

/// Says an error, and with which status the program ends.
pub(crate) fn fail(error: spawner::Error) -> i32 {
    let failure = failure::Failure::from(error);
    failure.say();
    failure.status
}

/// Shows clap's complaint as ours, or the help that was asked for.
fn complain(error: &clap::Error) -> i32 {
    let text = error.render();
    if error.use_stderr() {
        say::raw(&text.ansi().to_string().replacen("error:", "spawner:", 1));
        return status::FAILED;
    }
    match out::print(&text.ansi().to_string()) {
        Ok(()) => 0,
        Err(failure) => {
            failure.say();
            failure.status
        }
    }
}
