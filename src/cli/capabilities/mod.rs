//! `spawner capabilities`.

mod markdown;
mod table;

use schemars::JsonSchema;
use serde::Serialize;
use spawner::{Backends, Capabilities, Capability, Kind, Promise, Support};

use super::args::{BackendOptions, CapabilitiesFormat, CapabilitiesOptions};
use super::failure::Failure;
use super::{out, runtime};

/// What `spawner capabilities --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Document {
    /// The schema of this document; `spawner.capabilities/1`.
    schema: &'static str,
    /// Each backend with each mechanism.
    backends: Vec<Entry>,
}

impl Document {
    const SCHEMA: &'static str = "spawner.capabilities/1";
}

/// What one backend promises with one mechanism.
#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    /// The kind of the backend; where a configured one was asked for, its name.
    backend: String,
    /// Its mechanism; `null` where this host's backend was asked, which chooses by itself.
    mechanism: Option<String>,
    /// Whether this host's backend was asked; else it is what is declared for a host that gives all that
    /// is needed.
    probed: bool,
    /// What one can and cannot rely on, in plain words.
    story: String,
    /// Each capability, in the order of the documents.
    capabilities: Vec<Answer>,
}

/// How far one promise goes.
#[derive(Debug, Serialize, JsonSchema)]
struct Answer {
    /// The capability's name.
    name: &'static str,
    /// What it promises.
    promise: &'static str,
    /// How far that goes.
    support: Support,
    /// The conformance cases that prove it.
    proved_by: Vec<String>,
}

impl Entry {
    fn declared(name: Option<&str>, promise: &Promise) -> Self {
        Self {
            backend: name.unwrap_or(promise.kind.name()).to_owned(),
            mechanism: Some(promise.mechanism.to_owned()),
            probed: false,
            story: promise.story.to_owned(),
            capabilities: answers(&promise.capabilities),
        }
    }

    fn answer(&self, capability: Capability) -> &Answer {
        // UNWRAP: `answers` makes one for each.
        self.capabilities.iter().find(|answer| answer.name == capability.name()).unwrap()
    }

    fn title(&self) -> String {
        match &self.mechanism {
            Some(mechanism) => format!("{} / {mechanism}", self.backend),
            None => format!("{} on this host", self.backend),
        }
    }
}

fn answers(capabilities: &Capabilities) -> Vec<Answer> {
    let answer = |(capability, support): (Capability, &Support)| Answer {
        name: capability.name(),
        promise: capability.promise(),
        support: support.clone(),
        proved_by: super::conformance::proofs_of(capability),
    };
    capabilities.iter().map(answer).collect()
}

pub(crate) fn run(options: &CapabilitiesOptions) -> Result<i32, Failure> {
    let backends = entries(&options.backend, options.probe)?;
    let document = Document { schema: Document::SCHEMA, backends };
    let format = options.format.unwrap_or(if out::is_terminal() {
        CapabilitiesFormat::Table
    } else {
        CapabilitiesFormat::Markdown
    });
    match format {
        CapabilitiesFormat::Table => out::print(&table::render(&document.backends))?,
        CapabilitiesFormat::Markdown => out::print(&markdown::render(&document.backends))?,
        CapabilitiesFormat::Json => out::print_json(&document)?,
    }
    Ok(0)
}

fn entries(options: &BackendOptions, probe: bool) -> Result<Vec<Entry>, Failure> {
    let asked = options.backend.is_some() || options.config.is_some() || options.mechanism.is_some();
    if !asked && !probe {
        let all = Kind::ALL.iter().flat_map(|kind| kind.promises());
        return Ok(all.map(|promise| Entry::declared(None, &promise)).collect());
    }
    let backends = Backends::locate(options.config.as_deref())?;
    if probe {
        return Ok(vec![probed(&backends, options)?]);
    }
    let (name, settings) = backends.find(options.backend.as_deref())?;
    let mut settings = settings.clone();
    if let Some(mechanism) = &options.mechanism {
        settings.choose_mechanism(mechanism)?;
    }
    Ok(settings.promises().iter().map(|promise| Entry::declared(Some(name), promise)).collect())
}

/// Asks this host's backend.
fn probed(backends: &Backends, options: &BackendOptions) -> Result<Entry, Failure> {
    let backend = backends.open_with(options.backend.as_deref(), options.mechanism.as_deref())?;
    let runtime = runtime::current_thread()?;
    runtime.block_on(async {
        let check = backend.check().await;
        let (name, capabilities) = (backend.name().to_owned(), answers(backend.capabilities()));
        backend.shutdown().await?;
        let check = check?;
        let mut story = format!("On this host it is {}.", check.answered);
        for note in check.notes {
            story.push_str("\n\n");
            story.push_str(&note);
        }
        Ok(Entry { backend: name, mechanism: None, probed: true, story, capabilities })
    })
}
