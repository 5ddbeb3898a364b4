//! What is written: JSON, a page of Markdown, and plots.

mod markdown;
mod plots;

use std::path::Path;

use crate::document::{Document, Unit};

/// The page's name; the JSON stands beside it, and the plots are `compare-NAME.svg`.
const PAGE: &str = "compare.md";

pub(crate) fn write(document: &Document, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut json = serde_json::to_string_pretty(document)?;
    json.push('\n');
    std::fs::write(folder.join("compare.json"), json)?;
    let mut plotted = Vec::new();
    for table in &document.tables {
        if let Some(svg) = plots::of(table).map_err(std::io::Error::other)? {
            let name = format!("compare-{}.svg", table.name);
            std::fs::write(folder.join(&name), svg)?;
            plotted.push(name);
        }
    }
    std::fs::write(folder.join(PAGE), markdown::page(document, &plotted))
}

/// A value with its unit, to three digits.
pub(crate) fn number(value: f64, unit: Unit) -> String {
    let steps: &[(f64, &str)] = match unit {
        Unit::Seconds => &[(1.0, " s"), (1e-3, " ms"), (1e-6, " µs")],
        Unit::PerSecond => &[(1.0, " / s")],
        Unit::BytesPerSecond => &[(f64::from(1 << 30), " GiB/s"), (f64::from(1 << 20), " MiB/s")],
        Unit::Bytes => &[(f64::from(1 << 20), " MiB"), (1024.0, " KiB")],
        Unit::Count => &[(1.0, "")],
    };
    let fits = steps.iter().find(|(step, _)| value.abs() >= *step).or(steps.last());
    let &(step, name) = fits.unwrap_or(&(1.0, ""));
    format!("{}{name}", digits(value / step))
}

/// Three digits.
pub(crate) fn digits(value: f64) -> String {
    let places = match value.abs() {
        size if !(5e-4..99.95).contains(&size) => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.0995 => 2,
        _ => 3,
    };
    format!("{value:.places$}")
}
