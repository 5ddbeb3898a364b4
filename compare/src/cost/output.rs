//! How fast a task's output is read.

use std::cell::RefCell;

use crate::context::Run;
use crate::document::{Table, Unit};
use crate::peers::TOKIO;
use crate::server::{Harness, Order};
use crate::stats::{Entrant, alternate};

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("output") {
        return;
    }
    let harnesses = run.harnesses([TOKIO, super::OURS[0], super::OURS[1]], &[]);
    let names: Vec<String> = harnesses.iter().map(|(name, _)| name.clone()).collect();
    let ask = |(name, harness): &(String, RefCell<Harness>)| {
        harness.borrow_mut().ask(&Order::Pour { peer: name.clone(), mib: 256 })
    };
    let mut entrants: Vec<_> =
        harnesses.iter().map(|one| Entrant::new(one.0.clone(), move || ask(one))).collect();
    let found = alternate(run.effort(20, 20), &mut entrants);
    let mut table = Table::new(
        "output",
        "Output throughput",
        "256 MiB from `head -c` through a pipe, read in pieces of 64 KiB; the whole life counts.",
        Unit::BytesPerSecond,
        TOKIO,
    );
    table.add("", None, &names, &found, 0);
    run.add(table);
}
