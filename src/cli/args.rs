//! The command line.

mod container;
mod run;
mod tasks;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::run::{RunOptions, Surroundings};
pub(crate) use self::tasks::{
    DestroyOptions, LogsOptions, PsOptions, StartOptions, SweepOptions, WaitOptions,
};

/// Runs a command, ends everything that it started, and says truthfully what is left.
#[derive(Debug, Parser)]
#[command(name = "spawner", version, after_help = EXAMPLES, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Arguments {
    /// Log to standard error what is done: -v, more with -vv (or SPAWNER_LOG=debug)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// `spawner run` by itself.
#[derive(Debug, Parser)]
struct RunAlone {
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(flatten)]
    options: RunOptions,
}

impl Arguments {
    /// Reads a faultless `spawner run`, without building the command line of everything else first: that
    /// would take longer than all else that happens before the task starts.
    pub(crate) fn quickly() -> Option<Self> {
        let mut words = std::env::args_os();
        words.next()?;
        if words.next()? != "run" {
            return None;
        }
        let alone = RunAlone::try_parse_from(std::iter::once("run".into()).chain(words)).ok()?;
        Some(Self { verbose: alone.verbose, command: Command::Run(Box::new(alone.options)) })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command, and end all of it
    Run(Box<RunOptions>),
    /// Start a command that goes on when spawner has ended
    Start(Box<StartOptions>),
    /// Show the tasks that live, and what is left of others
    Ps(PsOptions),
    /// Wait for the end of a task
    Wait(WaitOptions),
    /// Show what a started task wrote
    Logs(LogsOptions),
    /// End a task, and all that it made
    Destroy(DestroyOptions),
    /// End everything that dead harnesses left
    Sweep(SweepOptions),
    /// Compare what the backends guarantee
    Capabilities(CapabilitiesOptions),
    /// Say what this host offers, what is missing, and how to get it
    Doctor(DoctorOptions),
    /// Prove on this host what the backends claim
    Conformance(ConformanceOptions),
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  spawner completions bash > ~/.local/share/bash-completion/completions/spawner"
    )]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the JSON Schema of a document that spawner writes
    Schema {
        /// Which document
        #[arg(default_value = "report")]
        document: Document,
    },
}

const EXAMPLES: &str = "\
Examples:
  spawner run -- make check                     ends what `make check` leaves behind, and names it
  spawner run --timeout 10m -- ./integration    and ends all of it after ten minutes
  spawner start --name web -- ./server          goes on when spawner has ended
  spawner ps                                    what lives, and what is left
  spawner destroy web                           ends all of it, and proves it
  spawner doctor                                what this host offers
  spawner capabilities                          what each backend guarantees

`spawner COMMAND --help` says more.";

/// The help of `--config`.
fn config_help() -> String {
    format!("Read this configuration [default: $SPAWNER_CONFIG, else {}]", spawner::config::SHOWN)
}

/// Which backend, and from which configuration.
#[derive(Debug, Args)]
pub(crate) struct BackendOptions {
    /// Use this backend of the configuration [default: its `default`, else `process`]
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,
    #[arg(long, value_name = "FILE", help = config_help())]
    pub(crate) config: Option<PathBuf>,
    /// Use this mechanism of the backend: auto, cgroup-v2, subreaper, pid-namespace, job-object or
    /// process-group
    #[arg(long, value_name = "NAME")]
    pub(crate) mechanism: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spawner capabilities                      what each mechanism guarantees, as a table
  spawner capabilities --probe              what this host gives now
  spawner capabilities --format markdown > capabilities.md")]
pub(crate) struct CapabilitiesOptions {
    #[command(flatten)]
    pub(crate) backend: BackendOptions,
    /// Ask this host's backend, in place of what is declared for a host that gives all that is needed
    #[arg(long)]
    pub(crate) probe: bool,
    /// How it is printed [default: table on a terminal, else markdown]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<CapabilitiesFormat>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    #[command(flatten)]
    pub(crate) backend: BackendOptions,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spawner conformance                               every case, for the default backend
  spawner conformance --mechanism subreaper         for one mechanism
  spawner conformance --case fork-storm --repeat 20 one case, twenty times
  spawner conformance --list                        the cases, and what they prove

Exit status: 0 where everything held, 1 where something failed, 125 where spawner itself did.")]
pub(crate) struct ConformanceOptions {
    #[command(flatten)]
    pub(crate) backend: BackendOptions,
    /// Only the cases whose name contains this; repeatable
    #[arg(long, value_name = "FILTER")]
    pub(crate) case: Vec<String>,
    /// List the cases in place of running them
    #[arg(long)]
    pub(crate) list: bool,
    /// Run everything this often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// How the result is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}

// The values below have plain comments: with their own help, clap's pages are twice as long.

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    // For people
    Text,
    // For programs
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CapabilitiesFormat {
    // A table of plain text
    Table,
    // The page capabilities.md
    Markdown,
    // For programs
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLeak {
    // Say so
    Report,
    // Say so, and exit with 123
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    // Where it makes sense
    Auto,
    // Always; it is an error where standard input is no terminal
    Always,
    // Never
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Document {
    // What `run --report-format json` writes
    Report,
    // What `capabilities --format json` prints
    Capabilities,
    // What names a task to another process
    Task,
    // What `doctor --format json` prints
    Doctor,
    // What `conformance --format json` prints
    Conformance,
    // What `ps --format json` prints
    Ps,
    // What `sweep --format json` prints
    Sweep,
}
