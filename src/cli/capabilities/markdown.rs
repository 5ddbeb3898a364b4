//! The page capabilities.md.

use std::fmt::Write as _;

use spawner::{Capability, Support};

use super::{Answer, Entry};

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
    page.push_str("\n## The capabilities\n\n");
    for capability in Capability::ALL {
        put(&mut page, &format!("* `{capability}`: {}", capability.promise()));
    }
    for entry in entries {
        chapter(&mut page, entry);
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
        put(page, &format!("| `{capability}` | {} |", marks.join(" | ")));
    }
}

fn chapter(page: &mut String, entry: &Entry) {
    put(page, &format!("\n## {}\n\n{}\n", entry.title(), entry.story));
    put(page, "| capability | | how, or why not | proved by |");
    put(page, "|---|:---:|---|---|");
    for answer in &entry.capabilities {
        let Answer { name, support, proved_by, .. } = answer;
        let cases: Vec<_> = proved_by.iter().map(|case| format!("`{case}`")).collect();
        put(page, &format!("| `{name}` | {} | {} | {} |", mark(support), cell(support), cases.join(", ")));
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
