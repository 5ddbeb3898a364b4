//! Runs the cases, one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{Error, Result};

use crate::case::{Case, Checked, NotPassed};
use crate::cases;
use crate::document::{CaseResult, Results, Status};
use crate::enrolment::Enrolment;
use crate::host;
use crate::scene::Scene;
use crate::state::StateFolder;
use crate::witness::Jail;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Only cases whose name has one of these in it; none means all.
    pub only: Vec<String>,
    /// How often.
    pub rounds: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { only: Vec::new(), rounds: 1 }
    }
}

impl Options {
    /// The cases that are to run.
    pub fn select(&self) -> impl Iterator<Item = &'static Case> {
        let wanted =
            |case: &&Case| self.only.is_empty() || self.only.iter().any(|part| case.name.contains(part));
        cases::all().filter(wanted)
    }
}

/// Is told how far the suite has come.
pub trait Observer {
    /// `case` begins; it is number `number`, from 1, of `total`.
    fn begins(&mut self, case: &Case, number: usize, total: usize);
    /// `case` has ended.
    fn ended(&mut self, case: &Case, result: &CaseResult);
}

/// Sees nothing.
impl Observer for () {
    fn begins(&mut self, _: &Case, _: usize, _: usize) {}
    fn ended(&mut self, _: &Case, _: &CaseResult) {}
}

/// Runs the suite against a backend, on a runtime of its own. Not to be called from within another one.
///
/// The error is about the backend, which cannot be made here or does not answer, or about the suite, which has
/// no runtime.
pub fn run(enrolment: &Enrolment, options: &Options, observer: &mut dyn Observer) -> Result<Results> {
    crate::mischief::heed_the_terminal();
    let mut notes = Vec::new();
    let jail = Jail::enter().map_err(|why| notes.push(format!("there was no outer jail: {why}"))).ok();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Error::io("start", "the suite's runtime", error))?;
    {
        let _state = StateFolder::set().map_err(|error| Error::io("make", "a state folder", error))?;
        let _inside = runtime.enter();
        let spawner = enrolment.make()?;
        let check = runtime.block_on(spawner.check())?;
        notes.extend(check.notes);
    }
    let selected: Vec<_> = options.select().collect();
    let total = selected.len() * options.rounds as usize;
    let mut results = Vec::with_capacity(total);
    for round in 1..=options.rounds {
        for &case in &selected {
            observer.begins(case, results.len() + 1, total);
            let began = Instant::now();
            let status = match one(&runtime, enrolment, case) {
                Ok(()) => Status::Passed,
                Err(NotPassed::Failed(why)) => Status::Failed { why },
                Err(NotPassed::Skipped(why)) => Status::Skipped { why },
            };
            if let Some(Err(why)) = jail.as_ref().map(Jail::settle) {
                notes.push(format!("after {}: {why}", case.name));
            }
            let result = CaseResult {
                name: case.name.into(),
                proves: case.proves.iter().map(ToString::to_string).collect(),
                round,
                status,
                elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            };
            observer.ended(case, &result);
            results.push(result);
        }
    }
    // What a hung backend still does must not keep the suite from ending.
    runtime.shutdown_timeout(Duration::from_secs(2));
    if let Some(Err(why)) = jail.map(Jail::leave) {
        notes.push(why);
    }
    Ok(Results {
        schema: Results::SCHEMA.into(),
        backend: enrolment.name().into(),
        root: host::is_root(),
        notes,
        cases: results,
    })
}

/// Runs one case with a fresh instance of the backend, and leaves nothing of it running.
fn one(runtime: &tokio::runtime::Runtime, enrolment: &Enrolment, case: &'static Case) -> Checked {
    for need in case.needs {
        need.met().map_err(NotPassed::Skipped)?;
    }
    let _state = StateFolder::set()?;
    let spawner = {
        let _inside = runtime.enter();
        enrolment.make()?
    };
    let scene = Arc::new(Scene::set(spawner, enrolment.clone(), case.proves)?);
    let running = runtime.spawn((case.run)(Arc::clone(&scene)));
    let abort = running.abort_handle();
    let checked = runtime.block_on(async {
        match tokio::time::timeout(case.limit, running).await {
            Ok(Ok(checked)) => checked,
            Ok(Err(error)) => Err(NotPassed::Failed(format!("it panicked: {error}"))),
            Err(_) => Err(NotPassed::Failed(format!("it did not end within {:?}", case.limit))),
        }
    });
    abort.abort();
    let swept = runtime.block_on(scene.end_survivors());
    match (checked, swept) {
        (Ok(()), Ok(survivors)) if survivors > 0 && scene.must_be_clean() => {
            Err(NotPassed::Failed(format!("{survivors} processes and containers survived the case")))
        }
        (Err(NotPassed::Failed(why)), Err(left)) => {
            Err(NotPassed::Failed(format!("{why}; and then something could not be ended: {left}")))
        }
        (Ok(()) | Err(NotPassed::Skipped(_)), Err(left)) => {
            Err(NotPassed::Failed(format!("something could not be ended: {left}")))
        }
        (checked, Ok(_)) => checked,
    }
}
