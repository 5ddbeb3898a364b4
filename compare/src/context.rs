//! What a run works with.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::document::{Absent, Document, Goal, Table};
use crate::peers::program::{self, Wrapper};
use crate::peers::{AVOCADO, PSUTIL};
use crate::server::Harness;
use crate::stats::Effort;

/// Harnesses by the peers that they embed, each of which may be asked from several places.
pub(crate) type Harnesses = Vec<(String, RefCell<Harness>)>;

/// The words on the command line.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    /// Only what has this in its name.
    pub(crate) only: Option<String>,
    /// The released `spawner` program.
    pub(crate) spawner: PathBuf,
    /// A Python that has the peers which are Python's.
    pub(crate) python: Option<PathBuf>,
    /// The ordinary account of the matrix.
    pub(crate) account: Option<String>,
    /// Where this package lies.
    pub(crate) here: PathBuf,
    /// What the script could not install, and why.
    pub(crate) absent: Vec<Absent>,
}

pub(crate) struct Run {
    pub(crate) options: Options,
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) document: Document,
    pub(crate) wrappers: Vec<Wrapper>,
}

impl Run {
    pub(crate) fn begin(options: Options) -> std::io::Result<Self> {
        let scratch = tempfile::Builder::new().prefix("compare-").tempdir()?;
        let mut document = Document {
            schema: "spawner.compare/1",
            quick: options.quick,
            machine: crate::machine::Machine::look(),
            seconds: 0.0,
            goals: Vec::new(),
            tables: Vec::new(),
            matrix: None,
            absent: Vec::new(),
        };
        let mut wrappers = program::wrappers();
        wrappers.retain(|wrapper| match program::tried(wrapper) {
            Ok(()) => {
                document.machine.note_version(&wrapper.before[0]);
                true
            }
            Err(why) => {
                document.absent.push(Absent { what: wrapper.name.into(), why });
                false
            }
        });
        Ok(Self { options, scratch, document, wrappers })
    }

    /// Whether what is called so is asked for. Says that it begins.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let wanted = self.options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
        if wanted {
            eprintln!("{name} …");
        }
        wanted
    }

    /// So many turns in so many seconds; a quick run has a fifth of both.
    pub(crate) fn effort(&self, turns: usize, seconds: u64) -> Effort {
        let (turns, limit) = (turns, Duration::from_secs(seconds));
        if self.options.quick {
            Effort { turns: turns.div_ceil(5), limit: limit / 5 }
        } else {
            Effort { turns, limit }
        }
    }

    pub(crate) fn fifo(&self) -> String {
        self.scratch.path().join("fifo").display().to_string()
    }

    pub(crate) fn absent(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.document.absent.push(Absent { what: what.into(), why: why.into() });
    }

    pub(crate) fn goal(&mut self, what: &str, goal: f64, found: Result<(f64, String), String>) {
        let (found, detail) = match found {
            Ok((found, detail)) => (Some(found), detail),
            Err(why) => (None, why),
        };
        let met = found.map(|found| found <= goal);
        let (what, goal) = (what.into(), format!("≤ {goal}"));
        self.document.goals.push(Goal { what, goal, found, detail, met });
    }

    pub(crate) fn add(&mut self, table: Table) {
        self.document.tables.push(table);
    }

    pub(crate) fn python_harness(&self, words: &[&str]) -> Option<Command> {
        let mut command = Command::new(self.options.python.as_ref()?);
        command.arg(self.options.here.join("peers/harness.py")).args(words);
        // Avocado's runners are found beside its Python.
        let folder = self.options.python.as_deref().and_then(Path::parent)?;
        command.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default()));
        Some(command)
    }

    /// A harness of its own for each of these peers, started with `words`.
    pub(crate) fn harnesses<'a>(
        &mut self,
        peers: impl IntoIterator<Item = &'a str>,
        words: &[&str],
    ) -> Harnesses {
        let mut harnesses = Vec::new();
        for name in peers {
            match Harness::start(words) {
                Ok(harness) => harnesses.push((name.to_owned(), RefCell::new(harness))),
                Err(why) => self.absent(name, why),
            }
        }
        harnesses
    }

    /// A harness for each of Python's peers that is here.
    pub(crate) fn python_harnesses(&mut self) -> Harnesses {
        let mut harnesses = Vec::new();
        for name in [PSUTIL, AVOCADO] {
            let Some(mut command) = self.python_harness(&["serve", name]) else { continue };
            match Harness::start_command(&mut command) {
                Ok(harness) => harnesses.push((name.to_owned(), RefCell::new(harness))),
                Err(why) => self.absent(name, why),
            }
        }
        harnesses
    }
}

/// `a ÷ b` in words, with both medians of `table`.
pub(crate) fn quotient(table: &Table, a: &str, b: &str, case: &str) -> Result<(f64, String), String> {
    let missing = |who: &str| {
        let why = table.row(who, case).and_then(|row| row.why_not.clone());
        format!("{who}: {}", why.unwrap_or_else(|| "not measured".into()))
    };
    let over = table.median(a, case).ok_or_else(|| missing(a))?;
    let under = table.median(b, case).ok_or_else(|| missing(b))?;
    let show = |value| crate::out::number(value, table.unit);
    Ok((over / under, format!("{} ÷ {}", show(over), show(under))))
}
