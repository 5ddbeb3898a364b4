//! The table for people at a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use spawner::{Capability, Support};

use super::Entry;
use super::markdown::mark;

/// The table, and under it the reasons for whatever is not guaranteed.
pub(super) fn render(entries: &[Entry]) -> String {
    let mut text = String::new();
    let heads: Vec<(&str, &str)> = entries
        .iter()
        .map(|entry| (entry.backend.as_str(), entry.mechanism.as_deref().unwrap_or("this host")))
        .collect();
    let widths: Vec<usize> = heads.iter().map(|(one, other)| one.len().max(other.len())).collect();
    let first = Capability::ALL.iter().map(|capability| capability.name().len()).max().unwrap_or(0);
    let row = |text: &mut String, head: &str, cells: &mut dyn Iterator<Item = (String, Style)>| {
        let mut line = format!("{head:<first$}");
        for ((cell, style), width) in cells.zip(&widths) {
            let rest = width.saturating_sub(cell.chars().count());
            let (left, right) = (rest / 2, rest - rest / 2);
            line = format!("{line}  {:left$}{style}{cell}{style:#}{:right$}", "", "");
        }
        put(text, line.trim_end());
    };
    let bold = Style::new().bold();
    row(&mut text, "", &mut heads.iter().map(|(one, _)| ((*one).to_owned(), bold)));
    row(&mut text, "", &mut heads.iter().map(|(_, other)| ((*other).to_owned(), bold)));
    for &capability in Capability::ALL {
        let answers = entries.iter().map(|entry| &entry.answer(capability).support);
        row(
            &mut text,
            capability.name(),
            &mut answers.map(|support| (mark(support).to_owned(), style(support))),
        );
    }
    put(&mut text, "\n✓ guaranteed   ~ best effort   – unsupported, refused before anything is started\n");
    for entry in entries {
        reasons(&mut text, entry);
    }
    text
}

fn put(text: &mut String, line: &str) {
    // UNWRAP: writing to a String does not fail.
    writeln!(text, "{line}").unwrap();
}

fn style(support: &Support) -> Style {
    let colour = match support {
        Support::Guaranteed { .. } => AnsiColor::Green,
        Support::BestEffort { .. } => AnsiColor::Yellow,
        Support::Unsupported { .. } => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into()))
}

fn reasons(text: &mut String, entry: &Entry) {
    let bold = Style::new().bold();
    put(text, &format!("{bold}{}{bold:#}", entry.title()));
    if entry.probed {
        put(text, &format!("  {}", entry.story.replace("\n\n", "\n  ")));
    }
    for answer in &entry.capabilities {
        let style = style(&answer.support);
        let why = match &answer.support {
            Support::Guaranteed { .. } => continue,
            Support::BestEffort { caveat, .. } => caveat,
            Support::Unsupported { why } => why,
        };
        put(text, &format!("  {style}{}{style:#} {}: {why}", mark(&answer.support), answer.name));
    }
    put(text, "");
}
