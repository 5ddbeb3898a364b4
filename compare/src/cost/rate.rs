//! Tasks per second, sustained.

use std::cell::RefCell;

use crate::context::Run;
use crate::document::{Goal, Table, Unit};
use crate::peers::{PROCESSKIT, TOKIO};
use crate::server::{Harness, Order, THREADS};
use crate::stats::{Entrant, alternate};

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("rate") {
        return;
    }
    let cores = run.document.machine.cores.max(1);
    let millis = if run.options.quick { 500 } else { 1000 };
    let harnesses = run.harnesses([TOKIO, PROCESSKIT, super::OURS[0], super::OURS[1]], &[THREADS]);
    let names: Vec<String> = harnesses.iter().map(|(name, _)| name.clone()).collect();
    let ask = |(name, harness): &(String, RefCell<Harness>)| {
        let order = Order::Rate { peer: name.clone(), millis, at_once: 2 * cores };
        harness.borrow_mut().ask(&order)
    };
    let mut entrants: Vec<_> =
        harnesses.iter().map(|one| Entrant::new(one.0.clone(), move || ask(one))).collect();
    let found = alternate(run.effort(20, 100), &mut entrants);
    let mut table = Table::new(
        "rate",
        "Tasks per second, sustained",
        &format!("`/bin/true`, {} at a time on {cores} cores, in slices of {millis} ms in turn.", 2 * cores),
        Unit::PerSecond,
        TOKIO,
    );
    table.add("", None, &names, &found, 0);
    for name in &super::OURS[..2] {
        let ratio = table.row(name, "").and_then(|row| row.ratio);
        run.document.goals.push(Goal {
            what: format!(
                "tasks per second, sustained, {cores} cores, by {name} ÷ tokio::process without any clean-up"
            ),
            goal: "≥ 0.85".into(),
            found: ratio.map(|ratio| ratio.of_medians),
            detail: crate::context::quotient(&table, name, TOKIO, "")
                .map_or_else(|why| why, |(_, detail)| detail),
            met: ratio.map(|ratio| ratio.of_medians >= 0.85),
        });
    }
    run.add(table);
}
