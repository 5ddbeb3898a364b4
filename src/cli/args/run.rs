//! The command line of `spawner run`, and what `spawner start` has in common with it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::container::ContainerArgs;
use super::{BackendOptions, OnLeak, ReportFormat, When};
use crate::cli::stop::WISHES;
use crate::cli::values::{self, Requirement};

#[derive(Debug, Args)]
#[command(after_help = run_examples(), override_usage = "spawner run [OPTIONS] -- <CMD> [ARG]...")]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) backend: BackendOptions,

    /// End the task after this time, such as `30s` or `1m 30s` [default: never]
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) account: Account,
    /// What to do where something was left behind, or is not proved gone: say so, or also exit with 123
    #[arg(long, value_name = "WHAT", default_value = "report")]
    pub(crate) on_leak: OnLeak,
    #[command(flatten)]
    pub(crate) surroundings: Surroundings,
    /// Give it a terminal of its own; `auto` does so where standard input is a terminal and standard
    /// output no pipe (whose reader may want the keys)
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) terminal: When,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

const RUN_EXAMPLES: &str = "\
Examples:
  spawner run -- sh -c 'sleep 300 & echo hello'      prints hello, ends the sleep, and says so
  spawner run --on-leak fail -- make check           fails where something was left behind
  spawner run --timeout 90s --grace 10s -- ./server  asks it to end after 90 s, kills it 10 s later
  spawner run --memory 512M --pids 100 -- make -j    within limits
  spawner run --report out.json --report-format json -- make check
  spawner run --require prove-clean=guaranteed -- make check
  spawner run --backend box --volume .:/src --cwd /src -- make check
                                                     in a container of the configured backend `box`

Exit status:
  that of the command; 128+n if it died of signal n (137 also where its memory ran out)
  123  with --on-leak fail: something was left behind, or is not proved gone
  124  it was ended by --timeout
  125  spawner itself failed
  126  the command cannot be executed
  127  the command was not found
";

fn run_examples() -> String {
    format!(
        "{RUN_EXAMPLES}\n{WISHES} end the task: it is asked, given its grace, then killed. A second one\nskips the \
         grace. What spawner has to say goes to standard error; it says nothing if nothing was left\nbehind."
    )
}

/// How a task is ended, and where that is reported.
#[derive(Debug, Args)]
pub(crate) struct Account {
    /// How long a task may take to end after it was asked to, before it is killed [default: 5s]
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub(crate) grace: Option<Duration>,
    /// How long what remains after the main process may take to finish by itself [default: 200ms]
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub(crate) linger: Option<Duration>,
    /// Write a report on the task to this file when all is over; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// How the report is written
    #[arg(long, value_name = "FORMAT", default_value = "text", requires = "report")]
    pub(crate) report_format: ReportFormat,
}

/// What a task needs, and where it runs.
#[derive(Debug, Args)]
pub(crate) struct Surroundings {
    /// Refuse to start unless the backend gives this, such as `prove-clean=guaranteed`; repeatable
    #[arg(long, value_name = "CAP=LEVEL", value_parser = values::requirement)]
    pub(crate) require: Vec<Requirement>,

    /// Run it in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// Set a variable of its environment; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<OsString>,
    /// Start from an empty environment
    #[arg(long)]
    pub(crate) env_clear: bool,
    /// Limit its memory, such as `512M`
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) memory: Option<u64>,
    /// Limit its number of processes and threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) pids: Option<u64>,
    /// Limit its CPU time, in CPUs, such as `1.5`
    #[arg(long, value_name = "N", value_parser = values::cpus)]
    pub(crate) cpus: Option<f64>,
    #[command(flatten)]
    pub(crate) container: ContainerArgs,
}
