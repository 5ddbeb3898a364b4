//! Whole programs around `/bin/true`.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::context::{Run, quotient};
use crate::document::{Table, Unit};
use crate::peers::program::{BARE, BWRAP};
use crate::stats::{Entrant, alternate};

const OURS: &str = "spawner run";

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("program") {
        return;
    }
    let own: Vec<String> = [&run.options.spawner.display().to_string(), "run", "--"].map(String::from).into();
    let mut all = vec![(BARE.to_owned(), Vec::new()), (OURS.to_owned(), own)];
    all.extend(run.wrappers.iter().map(|wrapper| (wrapper.name.to_owned(), wrapper.before.clone())));
    let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    let mut entrants: Vec<_> = all
        .iter()
        .map(|(name, before)| Entrant::new(name.clone(), || once(before, &["/bin/true"])))
        .collect();
    let found = alternate(run.effort(800, 45), &mut entrants);
    let mut table = Table::new(
        "program",
        "A whole program around `/bin/true`",
        "From its start to its end, one of each in turn.",
        Unit::Seconds,
        BWRAP,
    );
    table.add("", None, &names, &found, 0);
    let what = "whole program around `/bin/true` ÷ bubblewrap with a pid namespace";
    run.goal(what, 1.0, quotient(&table, OURS, BWRAP, ""));
    run.add(table);
}

/// Runs a program with its arguments, and gives how long that took.
pub(crate) fn once(before: &[String], argv: &[&str]) -> Result<Vec<f64>, String> {
    let mut words = before.iter().map(String::as_str).chain(argv.iter().copied());
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    let took = began.elapsed();
    if status.success() { Ok(vec![took.as_secs_f64()]) } else { Err(format!("{command:?}: {status}")) }
}
