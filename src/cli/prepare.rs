//! What has to be right before anything is started, and what is said where it is not.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap_lex::OsStrExt as _;
use spawner::{Backends, Error, ErrorKind, Level, Limits, Spawner, Support, TaskSpec, Teardown};

use super::args::Surroundings;
use super::failure::Failure;
use super::values::Requirement;

/// Whether the backend gives all that is required of it.
pub(super) fn meet(
    required: &[Requirement],
    spawner: &dyn Spawner,
    backends: &Backends,
) -> Result<(), Failure> {
    for &Requirement { capability, level } in required {
        let support = spawner.capabilities().get(capability);
        if support.level() >= level {
            continue;
        }
        let why = match support {
            Support::Guaranteed { by } => by,
            Support::BestEffort { caveat, .. } => caveat,
            Support::Unsupported { why } => why,
        };
        let declared = list(&backends.promising(capability, level));
        return Err(Failure::new(format!(
            "cannot start the task with backend `{}`: {capability} is required as {level}, and here it is {}: \
             {why}; as {level} it is declared by {declared}",
            spawner.name(),
            support.level(),
        )));
    }
    Ok(())
}

/// Backends and their mechanisms, for a message.
fn list(found: &[(&str, &str)]) -> String {
    if found.is_empty() {
        return "none of the configured backends".into();
    }
    let names: Vec<_> = found.iter().map(|(name, mechanism)| format!("`{name}` ({mechanism})")).collect();
    names.join(", ")
}

/// What is to be run.
pub(super) fn spec(command: &[OsString], options: &Surroundings) -> Result<TaskSpec, Failure> {
    let mut spec = TaskSpec::new(command.iter().cloned());
    for assignment in &options.env {
        let (name, value) = split(assignment)?;
        spec.env.changes.insert(name, Some(value));
    }
    spec.env.inherit = !options.env_clear;
    spec.cwd.clone_from(&options.cwd);
    spec.limits = Limits { memory: options.memory, pids: options.pids, cpus: options.cpus };
    spec.container = options.container.options()?;
    Ok(spec)
}

/// How a task is ended, where something was said about it.
pub(super) fn teardown(grace: Option<Duration>, linger: Option<Duration>) -> Teardown {
    let usual = Teardown::default();
    Teardown { grace: grace.unwrap_or(usual.grace), linger: linger.unwrap_or(usual.linger), ..usual }
}

/// Where the backend does not support what was asked for, says which ones declare that they do.
pub(super) fn unsupported(error: Error, backends: &Backends) -> Failure {
    let ErrorKind::Unsupported(capability) = error.kind() else { return error.into() };
    let declared = list(&backends.promising(capability, Level::BestEffort));
    Failure::from(error).and(&format!("it is declared by {declared}; see `spawner doctor`"))
}

/// Splits `NAME=VALUE`, whose bytes need not be text.
fn split(assignment: &OsStr) -> Result<(OsString, OsString), Failure> {
    let bad = || {
        let shown = assignment.to_string_lossy();
        Failure::new(format!("cannot set the variable `{shown}`: write `--env NAME=VALUE`"))
    };
    let (name, value) = assignment.split_once("=").filter(|(name, _)| !name.is_empty()).ok_or_else(bad)?;
    Ok((name.to_owned(), value.to_owned()))
}
