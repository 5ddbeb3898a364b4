//! The libraries: spawn, wait and clean-up of `/bin/true`.

use std::cell::RefCell;

use crate::context::{Run, quotient};
use crate::document::{Table, Unit};
use crate::peers::{BARE_HELPER, PROCESS_WRAP, PROCESSKIT, RECORDING_HELPER, TOKIO};
use crate::server::{Harness, Order};
use crate::stats::{Entrant, alternate};

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("life") {
        return;
    }
    let mut harnesses = run.harnesses(
        [TOKIO, BARE_HELPER, RECORDING_HELPER, PROCESS_WRAP, PROCESSKIT].into_iter().chain(super::OURS),
        &[],
    );
    harnesses.extend(run.python_harnesses());
    let names: Vec<String> = harnesses.iter().map(|(name, _)| name.clone()).collect();
    let once = |(name, harness): &(String, RefCell<Harness>)| {
        harness.borrow_mut().ask(&Order::Life { peer: name.clone() })
    };
    // Python's are slower by two orders, and have fewer turns.
    let (slow, fast): (Vec<_>, Vec<_>) =
        harnesses.iter().partition(|(name, _)| run.options.python.is_some() && is_python(name));
    let mut entrants: Vec<_> =
        fast.iter().map(|one| Entrant::new(one.0.clone(), move || once(one))).collect();
    let mut found = alternate(run.effort(800, 45), &mut entrants);
    let mut entrants: Vec<_> =
        slow.iter().map(|one| Entrant::new(one.0.clone(), move || once(one))).collect();
    found.extend(alternate(run.effort(25, 30), &mut entrants));

    let mut whole = Table::new(
        "life",
        "Spawn, wait and clean-up of `/bin/true`, in a library",
        "Each peer in a harness of its own with one thread, one life of each in turn. `spawner` proves at the end that \
         nothing is left; the others wait for the process that they started. A bare helper is the least that it takes to have \
         another process start and reap it.",
        Unit::Seconds,
        TOKIO,
    );
    whole.add("", None, &names, &found, 1);
    let mut spawn = Table::new(
        "spawn",
        "Spawn to exec",
        "The part of the same lives until the peer says that the task was started.",
        Unit::Seconds,
        TOKIO,
    );
    spawn.add("", None, &names, &found, 0);
    for name in &super::OURS[..2] {
        let what =
            format!("library: spawn, wait, verified destroy of `/bin/true` by {name} ÷ tokio::process");
        run.goal(&what, 1.15, quotient(&whole, name, TOKIO, ""));
    }
    run.add(whole);
    run.add(spawn);
}

fn is_python(name: &str) -> bool {
    [crate::peers::PSUTIL, crate::peers::AVOCADO].contains(&name)
}
