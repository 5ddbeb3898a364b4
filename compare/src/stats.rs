//! What many turns come to.

use std::time::{Duration, Instant};

use serde::Serialize;

/// The spread of a series.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) turns: usize,
    pub(crate) median: f64,
    pub(crate) lower_quartile: f64,
    pub(crate) upper_quartile: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` for an empty series.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&least, &most) = (sorted.first()?, sorted.last()?);
        let at = |part: f64| {
            let place = part * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Self {
            turns: sorted.len(),
            median: at(0.5),
            lower_quartile: at(0.25),
            upper_quartile: at(0.75),
            least,
            most,
        })
    }
}

/// One of several that do the same work: its name, and how it does it once, which gives what was measured.
pub(crate) struct Entrant<'a> {
    pub(crate) name: String,
    pub(crate) once: Box<dyn FnMut() -> Result<Vec<f64>, String> + 'a>,
}

impl<'a> Entrant<'a> {
    pub(crate) fn new(name: impl Into<String>, once: impl FnMut() -> Result<Vec<f64>, String> + 'a) -> Self {
        Self { name: name.into(), once: Box::new(once) }
    }
}

/// What one entrant came to: its samples, turn by turn, or why it has none.
pub(crate) type Samples = Result<Vec<Vec<f64>>, String>;

/// How many turns there are, and how long they may take together; at least three are run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) turns: usize,
    pub(crate) limit: Duration,
}

/// Has all of them do their work in turns, so that whatever else the machine does hits all alike. Who begins a turn
/// changes with each. The first turn finds cold caches and does not count.
pub(crate) fn alternate(effort: Effort, entrants: &mut [Entrant<'_>]) -> Vec<Samples> {
    let mut found: Vec<Samples> = entrants.iter().map(|_| Ok(Vec::new())).collect();
    let began = Instant::now();
    for turn in 0..=effort.turns {
        if turn > 3 && began.elapsed() > effort.limit {
            break;
        }
        for offset in 0..entrants.len() {
            let who = (turn + offset) % entrants.len();
            let Ok(samples) = &mut found[who] else { continue };
            match (entrants[who].once)() {
                Ok(_) if turn == 0 => {}
                Ok(sample) => samples.push(sample),
                Err(why) => found[who] = Err(why),
            }
        }
    }
    found
}
