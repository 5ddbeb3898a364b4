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
    spawner_conformance::main(&Choice::MECHANISMS.map(Choice::name), make)
}
