//! Why a task is not started: by this side, which knows what no host executes, and by the far end.

use spawner_core::{Error, ErrorKind, Result, TaskSpec};

use super::live::Traces;
use super::start::Birth;
use crate::said::Refusal;

impl Birth {
    pub(super) fn failed(&self, kind: ErrorKind, why: impl Into<String>) -> Error {
        let host = &self.traces.address.destination;
        Error::new(kind, "start the task on", host.clone()).because(why.into())
    }

    pub(super) fn refusal(&self, why: Refusal) -> Error {
        let program = self.record.argv.first().map(|program| program.to_string_lossy().into_owned());
        let program = program.unwrap_or_default();
        let of =
            |kind| Error::new(kind, "execute", format!("`{program}` on {}", self.traces.address.destination));
        match why {
            Refusal::NotFound => of(ErrorKind::ProgramNotFound).because("there is no such program"),
            Refusal::NotExecutable => of(ErrorKind::NotExecutable).because("it may not be executed"),
            Refusal::Cwd => {
                let cwd = self.cwd.as_ref().map(|cwd| cwd.display().to_string()).unwrap_or_default();
                self.failed(
                    ErrorKind::InvalidSpec,
                    format!("its working directory {cwd} cannot be entered there"),
                )
            }
            Refusal::Group => self.failed(ErrorKind::Denied, "no control group can be made there"),
            Refusal::Process => self
                .failed(ErrorKind::Exhausted, "no process can be made there")
                .hint("the account has reached its limit of processes: see `ulimit -u` there, and pids.max"),
            Refusal::Words => self.failed(ErrorKind::Lost, "the session ended before all was said"),
            Refusal::Pipe => self.failed(ErrorKind::Denied, "neither a pipe nor a folder can be made there"),
            Refusal::Folder => {
                self.failed(ErrorKind::Denied, "the files that keep its output cannot be made there")
            }
        }
    }
}

/// Refuses what no Linux executes (execve(2)): with the usual stack, 2 MiB in all and 128 KiB for each. A host that takes
/// less has env(1) say so.
pub(super) fn fits(spec: &TaskSpec) -> Result<()> {
    const EACH: usize = (128 << 10) - 1;
    const ALL: usize = 2 << 20;
    let values = spec
        .env
        .changes
        .iter()
        .map(|(name, value)| name.len() + 1 + value.as_ref().map_or(0, |value| value.len()));
    let lengths = || spec.argv.iter().map(|word| word.len()).chain(values.clone());
    let all: usize = lengths().map(|length| length + 9).sum();
    if lengths().any(|length| length > EACH) || all > ALL {
        return Err(Error::new(ErrorKind::InvalidSpec, "start the task", "")
            .because("its arguments and environment are longer than a host executes")
            .hint("write them to a file, or to the task's standard input"));
    }
    Ok(())
}

pub(super) fn value(traces: &Traces) -> Result<serde_json::Value> {
    serde_json::to_value(traces)
        .map_err(|error| Error::new(ErrorKind::InvalidSpec, "put on record", "the task").because(error))
}
