//! `spawner sweep`.

mod document;
mod wait;

use std::collections::HashMap;

use spawner::journal::{Account, Found};
use spawner::{Backends, CleanupOutcome, Fate, Kind, Resource, TaskId};

use self::document::{Document, Swept};
use super::Damaged;
use super::records::{self, called};
use crate::cli::args::{ReportFormat, SweepOptions};
use crate::cli::failure::Failure;
use crate::cli::run::names;
use crate::cli::{out, runtime, say, status};

pub(crate) fn sweep(options: &SweepOptions) -> Result<i32, Failure> {
    let backends = Backends::locate(options.configuration.config.as_deref())?;
    let (before, damaged) = on_record(&backends)?;
    let runtime = runtime::current_thread()?;
    let (outcomes, troubles) = runtime.block_on(wait::with_spinner(resolve(&backends)));

    let swept = outcomes.iter().map(|outcome| Swept::new(outcome, before.get(&outcome.task())));
    let mut document = Document::new(swept.collect(), damaged);
    // Their backends are not built in, or failed; what has gone meanwhile was resolved by somebody else.
    for account in before.values().filter(|account| account.page.path().exists()) {
        if outcomes.iter().all(|outcome| outcome.task() != account.opening.record.id) {
            let trouble = troubles.get(&account.opening.kind).cloned();
            let kind = account.opening.kind.escape_debug();
            let why = trouble.unwrap_or_else(|| match Kind::named(&account.opening.kind) {
                Some(_) => "its backend said nothing about it".to_owned(),
                None => format!("this program has no backend of kind `{kind}`"),
            });
            document.unresolved(account, why);
        }
    }
    match options.format {
        ReportFormat::Json => out::print_json(&document)?,
        ReportFormat::Text => {
            let ids: HashMap<_, _> = before.iter().map(|(id, account)| (*id, called(account))).collect();
            let lines = outcomes.iter().map(|outcome| line(outcome, &ids));
            let lines: String = lines.chain(document.complaints()).map(|line| line + "\n").collect();
            out::print(&format!("{lines}{}\n", document.summary()))?;
        }
    }
    for Damaged { file, why } in &document.damaged {
        say::say(&format!("the record {file} is damaged: {why} ({})", Damaged::REMEDY));
    }
    for (kind, trouble) in &troubles {
        say::say(&format!("cannot sweep with the backend of kind `{kind}`: {trouble}"));
    }
    Ok(match (troubles.is_empty(), document.is_resolved()) {
        (_, false) => status::LEAKED,
        (false, true) => status::FAILED,
        (true, true) => 0,
    })
}

/// The JSON Schema of what it prints.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(Document)
}

/// What is to be resolved, and what cannot be read.
fn on_record(backends: &Backends) -> Result<(HashMap<TaskId, Account>, Vec<Damaged>), Failure> {
    let (mut accounts, mut damaged) = (HashMap::new(), Vec::new());
    for found in records::all(backends)? {
        match found {
            Found::Account(account) if account.is_for_a_sweep() => {
                accounts.insert(account.opening.record.id, *account);
            }
            Found::Account(_) => {}
            Found::Damaged { path, why } => damaged.push(Damaged::new(&path, why)),
        }
    }
    Ok((accounts, damaged))
}

/// Sweeps every journal with a backend of each kind. A kind that fails does not keep the others from it.
async fn resolve(backends: &Backends) -> (Vec<CleanupOutcome>, HashMap<String, String>) {
    let (mut outcomes, mut troubles) = (Vec::new(), HashMap::new());
    let journals = backends.journals();
    let each =
        journals.iter().flat_map(|journal| Kind::ALL.iter().map(move |&kind| (journal.folder(), kind)));
    for (folder, kind) in each {
        let done = match backends.open_kind(kind, None, folder) {
            Ok(backend) => {
                outcomes.extend(backend.sweep().await);
                runtime::shut_down(backend).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            troubles.insert(kind.name().to_owned(), error.to_string());
        }
    }
    (outcomes, troubles)
}

/// What became of one task, in the manner of every outcome; a line for each leftover.
fn line(outcome: &CleanupOutcome, ids: &HashMap<TaskId, String>) -> String {
    let id = outcome.task();
    let called = ids.get(&id).cloned().unwrap_or_else(|| id.to_string());
    let left: Vec<_> = outcome.leftovers().map(|left| format!("{called}: {left}")).collect();
    if !left.is_empty() {
        return left.join("\n");
    }
    let ended = |one: &&Resource| matches!(one.fate, Fate::Killed | Fate::Terminated);
    let killed: Vec<_> = outcome.resources().iter().filter(ended).collect();
    let killed = if killed.is_empty() { String::new() } else { format!("killed {}; ", names(&killed)) };
    format!("{called}: {killed}{outcome}")
}
