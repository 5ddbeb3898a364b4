//! Ending tasks of many processes by force.

use std::cell::RefCell;

use crate::context::{Run, quotient};
use crate::document::{Table, Unit};
use crate::peers::{AVOCADO, KILL_TREE, PROCESS_WRAP, PROCESSKIT, PSUTIL, RAW_CGROUP, RAW_REAPED};
use crate::server::{Harness, Order};
use crate::stats::{Entrant, alternate};

/// How many processes, how many turns, and the seconds that these may take.
const SIZES: [(usize, usize, u64); 5] =
    [(1, 200, 15), (10, 200, 20), (100, 60, 30), (1000, 25, 60), (5000, 7, 90)];

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("destroy") {
        return;
    }
    let mut harnesses = run.harnesses(
        [RAW_CGROUP, RAW_REAPED, PROCESS_WRAP, PROCESSKIT, KILL_TREE].into_iter().chain(super::OURS),
        &[],
    );
    harnesses.extend(run.python_harnesses());
    let how = "All processes of the task sleep. The peer is told to end it by force; one of each in turn.";
    let title = "Ending a task of many processes, until the peer says so";
    let mut said = Table::new("destroy", title, how, Unit::Seconds, RAW_CGROUP);
    let title = "Ending a task of many processes, until the last of them is gone";
    let how = "The same, until everything has let go of a pipe that all inherited.";
    let mut gone = Table::new("destroy-gone", title, how, Unit::Seconds, RAW_CGROUP);
    for (count, turns, seconds) in SIZES {
        if run.options.quick && count > 1000 {
            continue;
        }
        // What ends one process only is not in it, and the slow ones have no more than a thousand.
        let here: Vec<_> = harnesses
            .iter()
            .filter(|(name, _)| name != AVOCADO)
            .filter(|(name, _)| count <= 1000 || ![KILL_TREE, PSUTIL].contains(&name.as_str()))
            .collect();
        let fifo = run.fifo();
        let ask = |(name, harness): &(String, RefCell<Harness>)| {
            let order = Order::Destroy { peer: name.clone(), count, fifo: fifo.clone() };
            harness.borrow_mut().ask(&order)
        };
        let names: Vec<String> = here.iter().map(|(name, _)| name.clone()).collect();
        let mut entrants: Vec<_> = here.iter().map(|one| Entrant::new(one.0.clone(), || ask(one))).collect();
        let found = alternate(run.effort(turns, seconds), &mut entrants);
        let case = if count == 1 { "1 process".to_owned() } else { format!("{count} processes") };
        said.add(&case, Some(count as f64), &names, &found, 0);
        gone.add(&case, Some(count as f64), &names, &found, 1);
    }
    let what = "destroy of 1000 processes ÷ raw cgroup.kill with drain";
    run.goal(what, 1.15, quotient(&said, super::OURS[0], RAW_CGROUP, "1000 processes"));
    let what = "the same ÷ raw cgroup.kill by one who reaps what it killed";
    run.goal(what, 1.15, quotient(&said, super::OURS[0], RAW_REAPED, "1000 processes"));
    run.add(said);
    run.add(gone);
}
