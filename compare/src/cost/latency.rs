//! Whether a harness that holds much memory starts tasks more slowly.

use std::cell::RefCell;

use crate::context::Run;
use crate::document::{Table, Unit};
use crate::peers::{PROCESSKIT, TOKIO};
use crate::server::{Harness, Order};
use crate::stats::{Entrant, Samples, Spread, alternate};

const SIZES: [(usize, &str); 3] = [(10, "10 MiB"), (1024, "1 GiB"), (4096, "4 GiB")];

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("latency") {
        return;
    }
    let peers = [TOKIO, PROCESSKIT, super::OURS[0], super::OURS[1]];
    let mut harnesses = Vec::new();
    for (mib, case) in SIZES {
        if let Err(why) = room(mib) {
            run.absent(format!("spawn latency with {case}"), why);
            continue;
        }
        // One harness for each size, shared by the peers, so that all of it fits.
        let held =
            Harness::start(&[]).and_then(|mut harness| harness.ask(&Order::Hold(mib)).map(|_| harness));
        match held {
            Ok(harness) => harnesses.push((case, mib, RefCell::new(harness))),
            Err(why) => run.absent(format!("spawn latency with {case}"), why),
        }
    }
    let mut entrants: Vec<Entrant<'_>> = Vec::new();
    for peer in peers {
        for (_, _, harness) in &harnesses {
            let ask = move || harness.borrow_mut().ask(&Order::Life { peer: peer.into() });
            entrants.push(Entrant::new(peer, ask));
        }
    }
    let found: Vec<Samples> = alternate(run.effort(300, 45), &mut entrants);
    let mut table = Table::new(
        "latency",
        "Spawn latency, by the memory that the harness holds",
        "Until the peer says that `/bin/true` was started. The same harness for all peers, all sizes in turn.",
        Unit::Seconds,
        TOKIO,
    );
    for (place, (case, mib, _)) in harnesses.iter().enumerate() {
        let names: Vec<String> = peers.iter().map(|&peer| peer.to_owned()).collect();
        let of_size: Vec<Samples> =
            (0..peers.len()).map(|peer| found[peer * harnesses.len() + place].clone()).collect();
        table.add(case, Some(*mib as f64), &names, &of_size, 0);
    }
    // Where another core has to wake up or not, there are two speeds, and a median may be of either: so turn by turn.
    let growth = |peer: &str| {
        let samples = |case: &str| {
            let place = harnesses.iter().position(|(own, ..)| *own == case)?;
            let peer = peers.iter().position(|own| *own == peer)?;
            found[peer * harnesses.len() + place].as_ref().ok()
        };
        let turns = samples("10 MiB")?.iter().zip(samples("4 GiB")?);
        let ratios: Vec<f64> = turns.map(|(small, large)| large[0] / small[0]).collect();
        Spread::of(&ratios)
    };
    let shown = |spread: Spread| {
        format!("{:.2} ({:.2} to {:.2})", spread.median, spread.lower_quartile, spread.upper_quartile)
    };
    let found = growth(super::OURS[0]).ok_or_else(|| "not measured".to_owned()).map(|ours| {
        let theirs = growth(TOKIO).map_or_else(|| "not measured".to_owned(), shown);
        (ours.median, format!("turn by turn {}; tokio::process: {theirs}", shown(ours)))
    });
    run.goal("spawn latency with a 4 GiB harness ÷ with a 10 MiB harness", 1.2, found);
    run.add(table);
}

/// Half of what is free stays free.
fn room(mib: usize) -> Result<(), String> {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or_default();
    let kib: usize = line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
    let free = kib / 1024;
    if free / 2 > mib { Ok(()) } else { Err(format!("only {free} MiB of memory are free")) }
}
