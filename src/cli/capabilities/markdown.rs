//! The page capabilities.md.

use std::fmt::Write as _;

use spawner::{Capability, Support};

use super::{Answer, Entry};
use crate::cli::conformance::proofs_of;

const INTRODUCTION: &str = "\
# What each backend guarantees

<!-- Generated from the backends' own declarations. To renew it:
     cargo run -- capabilities --format markdown > capabilities.md -->

Every backend answers for every capability, and says how far its promise goes. The table is for a host that
gives a backend all that it needs; `spawner capabilities --probe` says what yours gives, and `spawner doctor`
what is missing. `spawner conformance` proves each answer on your host: what is guaranteed must hold, what is
best effort must never be claimed when it did not hold, and what is unsupported must be refused before
anything is started.

✓ guaranteed   ~ best effort, with a caveat   – unsupported: asking for it is refused

";

/// The whole page.
pub(super) fn render(entries: &[Entry]) -> String {
    let mut page = INTRODUCTION.to_owned();
    matrix(&mut page, entries);
    for entry in entries {
        chapter(&mut page, entry);
    }
    page.push_str("\n## What each capability promises, and the cases that prove it\n");
    for &capability in Capability::ALL {
        put(&mut page, &format!("\n### {capability}\n\n{}", capability.promise()));
        let proofs = proofs_of(capability);
        if !proofs.is_empty() {
            put(&mut page, &format!("\nProved by `{}`.", proofs.join("`, `")));
        }
    }
    page
}

fn put(page: &mut String, line: &str) {
    // UNWRAP: writing to a String does not fail.
    writeln!(page, "{line}").unwrap();
}

pub(super) fn mark(support: &Support) -> &'static str {
    match support {
        Support::Guaranteed { .. } => "✓",
        Support::BestEffort { .. } => "~",
        Support::Unsupported { .. } => "–",
    }
}

fn matrix(page: &mut String, entries: &[Entry]) {
    let titles: Vec<String> = entries.iter().map(Entry::title).collect();
    put(page, &format!("| capability | {} |", titles.join(" | ")));
    put(page, &format!("|---|{}", ":---:|".repeat(entries.len())));
    for &capability in Capability::ALL {
        let marks: Vec<_> = entries.iter().map(|entry| mark(&entry.answer(capability).support)).collect();
        put(page, &format!("| [`{capability}`](#{capability}) | {} |", marks.join(" | ")));
    }
}

fn chapter(page: &mut String, entry: &Entry) {
    put(page, &format!("\n## {}\n\n{}\n", entry.title(), entry.story));
    put(page, "| capability | | how, or why not | proof |");
    put(page, "|---|:---:|---|---|");
    for answer in &entry.capabilities {
        let Answer { name, support, proved_by, .. } = answer;
        let proof = match proved_by.len() {
            0 => String::new(),
            1 => format!("[1 case](#{name})"),
            count => format!("[{count} cases](#{name})"),
        };
        put(page, &format!("| `{name}` | {} | {} | {proof} |", mark(support), cell(support)));
    }
}

fn cell(support: &Support) -> String {
    let text = match support {
        Support::Guaranteed { by } => by.to_string(),
        Support::BestEffort { by, caveat } => format!("{by}; but {caveat}"),
        Support::Unsupported { why } => why.to_string(),
    };
    text.replace('|', r"\|").replace('\n', " ")
}
