//! The findings for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::Document;
use super::finding::{Finding, Status};

pub(super) fn render(document: &Document) -> String {
    let mut text = String::new();
    let width = document.findings.iter().map(|finding| finding.name().len()).max().unwrap_or(0);
    for finding in &document.findings {
        line(&mut text, finding, width);
    }
    let chosen = &document.backend;
    let from = match &chosen.configuration {
        Some(file) => format!("from {file}"),
        None => "built in; there is no configuration file".into(),
    };
    let bold = Style::new().bold();
    put(&mut text, &format!("\n{bold}backend `{}`{bold:#} ({from})", chosen.name));
    match &chosen.answered {
        Some(answered) => put(&mut text, &format!("  {answered}")),
        None => put(&mut text, &format!("  {} does not answer", mark(Status::Missing))),
    }
    for note in &chosen.notes {
        put(&mut text, &format!("  {note}"));
    }
    if !chosen.not_guaranteed.is_empty() {
        put(&mut text, "  not guaranteed here:");
    }
    for capability in &chosen.not_guaranteed {
        put(&mut text, &format!("    {capability}"));
    }
    text
}

fn line(text: &mut String, finding: &Finding, width: usize) {
    put(text, &format!("{} {:<width$}  {}", mark(finding.status()), finding.name(), finding.detail()));
    if let Some(remedy) = finding.remedy() {
        let dim = Style::new().dimmed();
        put(text, &format!("{:width$}          {dim}→ {remedy}{dim:#}", ""));
    }
}

fn mark(status: Status) -> String {
    let (word, colour) = match status {
        Status::Ok => ("ok     ", AnsiColor::Green),
        Status::Limited => ("limited", AnsiColor::Yellow),
        Status::Missing => ("missing", AnsiColor::Red),
    };
    let style = Style::new().fg_color(Some(colour.into()));
    format!("{style}{word}{style:#}")
}

fn put(text: &mut String, line: &str) {
    // UNWRAP: writing to a String does not fail.
    writeln!(text, "{line}").unwrap();
}
