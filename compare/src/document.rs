//! What is written: everything that was found, as one JSON document.

use serde::Serialize;

use crate::machine::Machine;
use crate::matrix::Matrix;
use crate::stats::{Samples, Spread};

#[derive(Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) schema: &'static str,
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
    pub(crate) seconds: f64,
    pub(crate) goals: Vec<Goal>,
    pub(crate) tables: Vec<Table>,
    pub(crate) matrix: Option<Matrix>,
    /// What could not be had, and why.
    pub(crate) absent: Vec<Absent>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Absent {
    pub(crate) what: String,
    pub(crate) why: String,
}

/// One of the goals of the project, and what it came to.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) goal: String,
    pub(crate) found: Option<f64>,
    /// What stands beside it: both medians, or why it was not found.
    pub(crate) detail: String,
    pub(crate) met: Option<bool>,
}

/// Several that did the same work.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    /// The name of the plot's file.
    pub(crate) name: String,
    pub(crate) title: String,
    /// How it was measured.
    pub(crate) how: String,
    pub(crate) unit: Unit,
    /// What the ratios are of.
    pub(crate) baseline: String,
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    BytesPerSecond,
    Bytes,
    Count,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) who: String,
    /// What it was given: a number of processes, an amount of memory.
    pub(crate) case: String,
    /// The same as a number, where it is one of a scale.
    pub(crate) x: Option<f64>,
    pub(crate) found: Option<Spread>,
    pub(crate) ratio: Option<Ratio>,
    /// Why nothing was found.
    pub(crate) why_not: Option<String>,
}

/// A ratio of medians, and the quartiles of the ratios of single turns.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Ratio {
    pub(crate) of_medians: f64,
    pub(crate) lower_quartile: f64,
    pub(crate) upper_quartile: f64,
}

impl Table {
    pub(crate) fn new(name: &str, title: &str, how: &str, unit: Unit, baseline: &str) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            how: how.into(),
            unit,
            baseline: baseline.into(),
            rows: Vec::new(),
        }
    }

    /// Adds one row for each of `names`: the measurement `which` of its samples.
    pub(crate) fn add(
        &mut self,
        case: &str,
        x: Option<f64>,
        names: &[String],
        found: &[Samples],
        which: usize,
    ) {
        let series = |samples: &Samples| -> Result<Vec<f64>, String> {
            let samples = samples.as_ref().map_err(String::clone)?;
            Ok(samples.iter().filter_map(|sample| sample.get(which).copied()).collect())
        };
        let base = names.iter().position(|name| *name == self.baseline);
        let base = base.and_then(|place| series(&found[place]).ok()).filter(|values| !values.is_empty());
        for (name, samples) in names.iter().zip(found) {
            let (values, why_not) = match series(samples) {
                Ok(values) => (values, None),
                Err(why) => (Vec::new(), Some(why)),
            };
            let ratio = base.as_ref().and_then(|base| ratio(&values, base));
            let found = Spread::of(&values);
            // Nothing was measured of this kind for it.
            if found.is_some() || why_not.is_some() {
                self.rows.push(Row { who: name.clone(), case: case.into(), x, found, ratio, why_not });
            }
        }
    }

    pub(crate) fn row(&self, who: &str, case: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.who == who && row.case == case)
    }

    pub(crate) fn median(&self, who: &str, case: &str) -> Option<f64> {
        self.row(who, case)?.found.map(|spread| spread.median)
    }
}

fn ratio(values: &[f64], base: &[f64]) -> Option<Ratio> {
    let of_medians = Spread::of(values)?.median / Spread::of(base)?.median;
    let pairs: Vec<f64> = values.iter().zip(base).map(|(value, base)| value / base).collect();
    let spread = Spread::of(&pairs)?;
    Some(Ratio { of_medians, lower_quartile: spread.lower_quartile, upper_quartile: spread.upper_quartile })
}
