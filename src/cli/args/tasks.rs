//! The command line of what is done with tasks that are on record.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::run::Account;
use super::{BackendOptions, ReportFormat, Surroundings};
use crate::cli::stop::WISHES;
use crate::cli::values;

#[derive(Debug, Args)]
#[command(after_help = START_EXAMPLES, override_usage = "spawner start [OPTIONS] -- <CMD> [ARG]...")]
pub(crate) struct StartOptions {
    #[command(flatten)]
    pub(crate) backend: BackendOptions,
    /// Call it this, in place of its id
    #[arg(long, value_name = "NAME", value_parser = values::task_name)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) surroundings: Surroundings,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

const START_EXAMPLES: &str = "\
Examples:
  spawner start -- ./server                     prints the task's id, and returns
  spawner start --name web -- ./server          one that can be called by its name
  spawner logs --follow web                     what it writes
  spawner wait web                              until it ends; the exit status is its own
  spawner destroy web                           ends all of it, and forgets it

The task outlives spawner, reads nothing, and its output is kept. Its record, its output and how it ended \
stay until it is destroyed.

Exit status: 0 where it was started, 125 where spawner itself failed, 126 where the command cannot be \
executed, 127 where it was not found.";

#[derive(Debug, Args)]
#[command(after_help = PS_EXAMPLES)]
pub(crate) struct PsOptions {
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

const PS_EXAMPLES: &str = "\
Examples:
  spawner ps                    this user's tasks on this host, by harness
  spawner ps --format json      for programs; see `spawner schema ps`

States:
  starting   it is on record, and has no main process yet
  running    its main process is alive
  ended      its main process ended; the task was not destroyed yet
  gone       detached, and everything of it is proved gone; `spawner destroy` forgets it
  left       its harness is dead: `spawner sweep` ends what is left of it
  lost       nobody can say how its main process ended; `spawner destroy` ends what is left of it
  elsewhere  of another host, container or user, or from before this boot";

#[derive(Debug, Args)]
#[command(after_help = WAIT_EXAMPLES)]
pub(crate) struct WaitOptions {
    /// The task's id, the first digits of it (at least 4), or its name
    #[arg(value_name = "ID|NAME")]
    pub(crate) task: String,
    /// Wait no longer than this, such as `30s` or `1m 30s` [default: for ever]
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

const WAIT_EXAMPLES: &str = "\
Examples:
  spawner wait web                   until its main process has ended
  spawner wait --timeout 30s 9f2c    for half a minute at most

Exit status:
  that of the task; 128+n if it died of signal n (137 also where its memory ran out)
  124  --timeout passed; the task goes on
  125  spawner itself failed, or nobody can say how the task ended";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spawner logs web               what it has written so far
  spawner logs --follow web      and what it goes on to write, until it ends

What the task wrote to its standard output goes to standard output, the rest to standard error.")]
pub(crate) struct LogsOptions {
    /// The task's id, the first digits of it (at least 4), or its name
    #[arg(value_name = "ID|NAME")]
    pub(crate) task: String,
    /// Go on until the task has ended
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

#[derive(Debug, Args)]
#[command(after_help = destroy_examples())]
pub(crate) struct DestroyOptions {
    /// Each task's id, the first digits of it (at least 4), or its name
    #[arg(required = true, value_name = "ID|NAME")]
    pub(crate) tasks: Vec<String>,
    #[command(flatten)]
    pub(crate) account: Account,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

const DESTROY_EXAMPLES: &str = "\
Examples:
  spawner destroy web                   asks it to end, kills it 5 s later, proves it gone
  spawner destroy --grace 0 9f2c 41d0   kills two at once

Exit status: 0 where everything of them is proved gone, 123 where it is not, 125 where spawner itself failed.

A task of a harness that lives is taken away from it. ";

fn destroy_examples() -> String {
    format!("{DESTROY_EXAMPLES}Of {WISHES}, a second one skips the grace.")
}

#[derive(Debug, Args)]
#[command(after_help = SWEEP_EXAMPLES)]
pub(crate) struct SweepOptions {
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

const SWEEP_EXAMPLES: &str = "\
Examples:
  spawner sweep                    ends what dead harnesses left here, and says what it was
  spawner sweep --format json      for programs; see `spawner schema sweep`

It never touches a task of a harness that lives, nor a detached one, and may run twice and at the same \
time.

Exit status: 0 where everything was resolved, 123 where something is left, 125 where spawner itself \
failed.";

/// From which configuration the backends are, and the folders of their records.
#[derive(Debug, Args)]
pub(crate) struct Configuration {
    #[arg(long, value_name = "FILE", help = super::config_help())]
    pub(crate) config: Option<PathBuf>,
}
