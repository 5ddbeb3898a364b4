//! Many tasks at once.

use super::crowd::FOUND;
use crate::context::Run;
use crate::document::{Table, Unit};
use crate::peers::{PROCESSKIT, TOKIO};
use crate::server::{Harness, Order};
use crate::stats::Samples;

/// Names, titles and units, in the order in which they are measured.
const WHAT: [(&str, &str, Unit); FOUND] = [
    ("memory", "Private memory of harness and helpers, for each task", Unit::Bytes),
    ("memory-proportional", "Proportional memory (Pss) of harness and helpers, for each task", Unit::Bytes),
    ("threads", "Threads of harness and helpers, for each task", Unit::Count),
    ("descriptors", "Descriptors of harness and helpers, for each task", Unit::Count),
    ("idle", "Cores that harness and helpers of all tasks keep busy when nothing happens", Unit::Count),
    ("crowd-start", "Starting them one after another, for each task", Unit::Seconds),
    ("crowd-end", "Ending them all at once by force, for each task", Unit::Seconds),
];

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("many") {
        return;
    }
    let peers = [TOKIO, PROCESSKIT, super::OURS[0], super::OURS[1]];
    let names: Vec<String> = peers.iter().map(|&peer| peer.to_owned()).collect();
    let mut tables = WHAT.map(|(name, title, unit)| {
        Table::new(
            name,
            title,
            "So many tasks `sleep` at once, in a harness of its own each time.",
            unit,
            TOKIO,
        )
    });
    for (count, turns) in [(1, 3), (100, 3), (1000, 3), (5000, 1)] {
        if run.options.quick && count > 1000 {
            continue;
        }
        let turns = if run.options.quick { 1 } else { turns };
        let once = |peer: &str| -> Result<Vec<f64>, String> {
            Harness::start(&[])?.ask(&Order::Crowd { peer: peer.into(), count })
        };
        let mut found: Vec<Samples> = peers.iter().map(|_| Ok(Vec::new())).collect();
        for _ in 0..turns {
            for (peer, samples) in peers.iter().zip(&mut found) {
                let Ok(list) = samples else { continue };
                match once(peer) {
                    Ok(sample) => list.push(sample),
                    Err(why) => *samples = Err(why),
                }
            }
        }
        for (which, table) in tables.iter_mut().enumerate() {
            let case = if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") };
            table.add(&case, Some(f64::from(count as u32)), &names, &found, which);
        }
    }
    for name in &super::OURS[..2] {
        let found = tables[0].median(name, "1000 tasks").ok_or_else(|| "not measured".to_owned());
        let found =
            found.map(|bytes| (bytes / 1024.0, "KiB, all of what only they have in memory".to_owned()));
        let what = format!(
            "1000 tasks at once by {name}: private memory of harness and supervisor, KiB for each task"
        );
        run.goal(&what, 64.0, found);
    }
    for table in tables {
        run.add(table);
    }
}
