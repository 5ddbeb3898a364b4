//! `spawner doctor`: what this host offers, what is missing, and how to get it.

#[cfg(all(unix, feature = "podman"))]
mod containers;
mod finding;
mod host;
mod mechanisms;
mod state;
mod text;

use schemars::JsonSchema;
use serde::Serialize;
use spawner::{Backends, Settings};

use self::finding::Finding;
use super::args::{DoctorOptions, ReportFormat};
use super::failure::Failure;
use super::{out, runtime, status};

/// What `spawner doctor --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Document {
    /// The schema of this document; `spawner.doctor/1`.
    schema: &'static str,
    /// What was looked at, and what was found.
    findings: Vec<Finding>,
    /// The backend that `spawner run` would use.
    backend: Chosen,
}

impl Document {
    const SCHEMA: &'static str = "spawner.doctor/1";
}

/// The backend that would be used, and what it says for itself.
#[derive(Debug, Serialize, JsonSchema)]
struct Chosen {
    /// Its name.
    name: String,
    /// The configuration file that it is from; `null` for the built-in one.
    configuration: Option<String>,
    /// What it chose, in a line; `null` where it does not answer.
    answered: Option<String>,
    /// Why it does not answer, or what a person should know besides.
    notes: Vec<String>,
    /// The capabilities that are not guaranteed here, with the reason.
    not_guaranteed: Vec<String>,
}

pub(crate) fn run(options: &DoctorOptions) -> Result<i32, Failure> {
    let backends = Backends::locate(options.backend.config.as_deref())?;
    let (name, settings) = backends.find(options.backend.backend.as_deref())?;
    let backend = chosen(&backends, name, options.backend.mechanism.as_deref())?;
    let document = Document { schema: Document::SCHEMA, findings: findings(settings)?, backend };
    match options.format {
        ReportFormat::Text => out::print(&text::render(&document))?,
        ReportFormat::Json => out::print_json(&document)?,
    }
    Ok(if document.backend.answered.is_some() { 0 } else { status::FAILED })
}

fn findings(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let mut all = host::basics();
    all.push(state::folder(settings));
    all.extend(host::means());
    all.extend(mechanisms::findings());
    #[cfg(all(unix, feature = "podman"))]
    all.push(containers::engine()?);
    Ok(all)
}

fn chosen(backends: &Backends, name: &str, mechanism: Option<&str>) -> Result<Chosen, Failure> {
    let mut chosen = Chosen {
        name: name.to_owned(),
        configuration: backends.source().map(|path| path.display().to_string()),
        answered: None,
        notes: Vec::new(),
        not_guaranteed: Vec::new(),
    };
    let runtime = runtime::current_thread()?;
    let asked = runtime.block_on(async {
        let backend = backends.open_with(Some(name), mechanism)?;
        let check = backend.check().await;
        let short = backend.capabilities().iter().filter_map(|(capability, support)| match support {
            spawner::Support::Guaranteed { .. } => None,
            spawner::Support::BestEffort { caveat, .. } => {
                Some(format!("{capability}, best effort: {caveat}"))
            }
            spawner::Support::Unsupported { why } => Some(format!("{capability}, unsupported: {why}")),
        });
        chosen.not_guaranteed = short.collect();
        backend.shutdown().await?;
        check
    });
    match asked {
        Ok(check) => {
            chosen.answered = Some(check.answered.into_owned());
            chosen.notes = check.notes;
        }
        Err(error) => chosen.notes.push(error.to_string()),
    }
    Ok(chosen)
}
