//! `spawner conformance`.

mod progress;

use std::path::Path;

use spawner::{Backends, Capability, Result as SpawnerResult, Settings, Spawner};
use spawner_conformance::{Case, Enrolment, Options, Results};

use self::progress::{Bar, Lines};
use super::args::{ConformanceOptions, ReportFormat};
use super::failure::Failure;
use super::{out, say};

/// Something that a backend claims does not hold.
const REFUTED: i32 = 1;

/// The names of the cases that prove a capability.
pub(super) fn proofs_of(capability: Capability) -> Vec<String> {
    spawner_conformance::proofs_of(capability).into_iter().map(str::to_owned).collect()
}

/// The JSON Schema of what it prints.
#[allow(clippy::unnecessary_wraps, reason = "where the suite does not run, there is none")]
pub(super) fn schema() -> Result<schemars::Schema, Failure> {
    Ok(Results::json_schema())
}

/// Becomes a process of the suite, and does not come back, where this program was started as one.
pub(crate) fn serve_if_asked() {
    spawner_conformance::serve_if_asked(make);
}

/// Makes the backend of an enrolment's name, here and in the processes that the suite starts:
/// `BACKEND[/MECHANISM][@CONFIGURATION]`.
fn make(name: &str) -> SpawnerResult<Box<dyn Spawner>> {
    let (name, configuration) = match name.split_once('@') {
        Some((name, configuration)) => (name, Some(Path::new(configuration))),
        None => (name, None),
    };
    let (backend, mechanism) = match name.split_once('/') {
        Some((backend, mechanism)) => (backend, Some(mechanism)),
        None => (name, None),
    };
    Ok(Backends::locate(configuration)?.open_with(Some(backend), mechanism)?.into_boxed())
}

pub(crate) fn run(options: ConformanceOptions) -> Result<i32, Failure> {
    let suite = Options { only: options.case, rounds: options.repeat };
    if suite.select().next().is_none() {
        let asked = suite.only.join("`, `");
        return Err(Failure::new(format!(
            "no case has `{asked}` in its name: see `spawner conformance --list`"
        )));
    }
    if options.list {
        return list(&suite);
    }
    let backends = Backends::locate(options.backend.config.as_deref())?;
    let (name, settings) = backends.find(options.backend.backend.as_deref())?;
    let (mut name, engine) = (name.to_owned(), engine(settings).map(str::to_owned));
    if let Some(mechanism) = &options.backend.mechanism {
        name = format!("{name}/{mechanism}");
    }
    if let Some(path) = &options.backend.config {
        let path = std::path::absolute(path)
            .map_err(|error| spawner::Error::io("find", path.display().to_string(), error))?;
        name = format!("{name}@{}", path.display());
    }
    let mut enrolment = Enrolment::new(name, make);
    if let Some(engine) = engine {
        enrolment = enrolment.engine_at(engine);
    }
    let results = if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        spawner_conformance::run(&enrolment, &suite, &mut Bar::new())
    } else {
        let mut lines = Lines { silent: options.format == ReportFormat::Json };
        spawner_conformance::run(&enrolment, &suite, &mut lines)
    };
    let results = results.map_err(|error| Failure::new(error.to_string()))?;
    for note in &results.notes {
        say::say(note);
    }
    match options.format {
        ReportFormat::Json => out::print_json(&results)?,
        ReportFormat::Text => out::print(&summary(&results))?,
    }
    Ok(if results.is_success() { 0 } else { REFUTED })
}

/// The engine that a backend of containers is configured to use, for the witness.
fn engine(settings: &Settings) -> Option<&str> {
    match settings {
        #[cfg(all(unix, feature = "podman"))]
        Settings::Podman(config) => config.socket.as_deref(),
        _ => None,
    }
}

fn list(suite: &Options) -> Result<i32, Failure> {
    let describe = |case: &Case| {
        let proves: Vec<_> = case.proves.iter().map(|capability| capability.name()).collect();
        format!("{}\n    proves {}\n", case.name, proves.join(", "))
    };
    let text: String = suite.select().map(describe).collect();
    out::print(&text)?;
    Ok(0)
}

/// One line, and one for each case that did not pass.
fn summary(results: &Results) -> String {
    let count = |number: usize, word: &str| format!("{number} {word}");
    let (failed, skipped): (Vec<_>, Vec<_>) = (results.failed().collect(), results.skipped().collect());
    let mut lines = Vec::new();
    lines.extend(skipped.iter().map(|(case, why)| format!("skipped {}: {why}", case.name)));
    lines.extend(
        failed.iter().map(|(case, why)| format!("FAILED  {} (round {}): {why}", case.name, case.round)),
    );
    let counts = [
        count(results.passed().count(), "held"),
        count(failed.len(), "failed"),
        count(skipped.len(), "skipped"),
    ];
    let user = if results.root { "as root" } else { "as an ordinary user" };
    lines.push(format!("backend `{}`, {user}: {}", results.backend, counts.join(", ")));
    lines.join("\n") + "\n"
}
