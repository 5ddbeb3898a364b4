//! Proves the process backend, with each of its mechanisms.

use std::process::ExitCode;

use spawner_core::{Error, ErrorKind, Result, Spawner};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};

fn make(name: &str) -> Result<Box<dyn Spawner>> {
    let mechanism = Choice::MECHANISMS.into_iter().find(|choice| choice.name() == name);
    let mechanism = mechanism.ok_or_else(|| Error::new(ErrorKind::Config, "find the mechanism", name))?;
    let spawner = ProcessSpawner::new(ProcessConfig { mechanism, ..ProcessConfig::default() })?;
    Ok(Box::new(spawner))
}

fn main() -> ExitCode {
    // Those of this kind of system; one of them that does not work here is a failure.
    let here = |choice: &Choice| (*choice == Choice::JobObject) == cfg!(windows);
    let names: Vec<_> = Choice::MECHANISMS.into_iter().filter(here).map(Choice::name).collect();
    spawner_conformance::main(&names, make)
}
