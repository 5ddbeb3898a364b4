//! A `main` for test targets: one line enrols a backend.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io::Write as _;
use std::process::ExitCode;

use spawner_core::{Result, Spawner};

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

use crate::case::Case;
use crate::document::{CaseResult, Results, Status};
use crate::enrolment::Enrolment;
use crate::harness::serve_if_asked;
use crate::mischief;
use crate::runner::{Observer, Options, run};

/// The backends that a person wants skipped: names, with commas between them.
pub const SKIP: &str = "SPAWNER_SKIP";

/// The whole `main` of a test target (`harness = false`) that proves the backends `names`, each of which
/// `make` makes:
///
/// ```no_run
/// fn make(name: &str) -> spawner_core::Result<Box<dyn spawner_core::Spawner>> {
///     unimplemented!("the backend {name}")
/// }
///
/// fn main() -> std::process::ExitCode {
///     spawner_conformance::main(&["local"], make)
/// }
/// ```
///
/// It takes parts of case names (or of `backend::case`) to run only those, `--list`, `--rounds N`, and as root
/// `--as-user NAME`, to run as that ordinary user. A backend that cannot be made here is a failure, unless
/// [`SKIP`] names it.
pub fn main(names: &[&str], make: fn(&str) -> Result<Box<dyn Spawner>>) -> ExitCode {
    mischief::run_if_asked();
    serve_if_asked(make);
    let wanted = match Wanted::parse(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    if let Some(user) = &wanted.user {
        return as_user(user, &wanted);
    }
    let skipped = std::env::var(SKIP).unwrap_or_default();
    let mut good = true;
    for &name in names {
        let options = wanted.of(name);
        if wanted.list {
            options.select().for_each(|case| println!("{name}::{}: test", case.name));
        } else if skipped.split(',').any(|skipped| skipped.trim() == name) {
            println!("{name}: skipped, since {SKIP} says so");
        } else if options.select().next().is_some() {
            good &= prove(&Enrolment::new(name, make), &options);
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn as_user(user: &str, wanted: &Wanted) -> ExitCode {
    let rounds = wanted.rounds.to_string();
    let args: Vec<_> = wanted.only.iter().cloned().chain(["--rounds".into(), rounds]).collect();
    match platform::run_as(user, &args) {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot run as {user}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prove(enrolment: &Enrolment, options: &Options) -> bool {
    match run(enrolment, options, &mut Lines) {
        Ok(results) => {
            let mut out = std::io::stdout().lock();
            summarise(&mut out, &results).unwrap_or_else(|error| eprintln!("cannot print: {error}"));
            // All that was asked for may have been skipped, visibly; that is no failure.
            results.failed().next().is_none()
        }
        Err(error) => {
            let name = enrolment.name();
            println!("{name}: FAILED: {error}; where it is not wanted: {SKIP}={name}");
            false
        }
    }
}

/// Writes what a person wants to know at the end: what failed, what was skipped and why, how many passed.
pub fn summarise(out: &mut dyn std::io::Write, results: &Results) -> std::io::Result<()> {
    let backend = &results.backend;
    for (case, why) in results.failed() {
        writeln!(out, "{backend}: FAILED {} (round {}): {why}", case.name, case.round)?;
    }
    for (case, why) in results.skipped().filter(|(case, _)| case.round == 1) {
        writeln!(out, "{backend}: skipped {}: {why}", case.name)?;
    }
    for note in &results.notes {
        writeln!(out, "{backend}: {note}")?;
    }
    let (passed, failed) = (results.passed().count(), results.failed().count());
    let (skipped, user) = (results.skipped().count(), if results.root { "root" } else { "an ordinary user" });
    writeln!(out, "{backend}, as {user}: {passed} passed, {failed} failed, {skipped} skipped")
}

/// One line for each case.
struct Lines;

impl Observer for Lines {
    fn begins(&mut self, case: &Case, number: usize, total: usize) {
        print!("{number:3}/{total} {} ... ", case.name);
        std::io::stdout().flush().unwrap_or_else(|error| eprintln!("cannot print: {error}"));
    }

    fn ended(&mut self, _: &Case, result: &CaseResult) {
        let ms = result.elapsed_ms;
        match &result.status {
            Status::Passed => println!("ok ({ms} ms)"),
            Status::Failed { why } => println!("FAILED ({ms} ms)\n        {why}"),
            Status::Skipped { why } => println!("skipped: {why}"),
        }
    }
}

/// The command line of a test target.
#[derive(Default)]
struct Wanted {
    only: Vec<String>,
    list: bool,
    user: Option<String>,
    rounds: u32,
}

impl Wanted {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wanted = Self { rounds: 1, ..Self::default() };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => wanted.list = true,
                "--rounds" => {
                    let rounds = args.next().and_then(|rounds| rounds.parse().ok());
                    wanted.rounds = rounds.ok_or("`--rounds` takes a number")?;
                }
                "--as-user" => wanted.user = Some(args.next().ok_or("`--as-user` takes a name")?),
                // What `cargo test -- ARGS` hands to every target, and means nothing here.
                "--nocapture" | "--quiet" | "-q" | "--show-output" | "--include-ignored" => {}
                flag if flag.starts_with("--test-threads") || flag.starts_with("--color") => {}
                flag if flag.starts_with('-') => {
                    return Err(format!(
                        "`{flag}` is unknown; there are: --list, --rounds N, --as-user NAME, and parts of names"
                    ));
                }
                part => wanted.only.push(part.to_owned()),
            }
        }
        Ok(wanted)
    }

    fn of(&self, backend: &str) -> Options {
        let cases = |part: &String| match part.split_once("::") {
            Some((own, case)) if own == backend => Some(case.to_owned()),
            Some(_) => None,
            None => Some(part.clone()),
        };
        let only: Vec<_> = self.only.iter().filter_map(cases).collect();
        // Only names of other backends were given: nothing of this one.
        let none = only.is_empty() && !self.only.is_empty();
        Options { only: if none { vec!["::".into()] } else { only }, rounds: self.rounds }
    }
}
