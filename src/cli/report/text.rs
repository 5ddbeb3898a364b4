//! The report for people.

use std::fmt::Write as _;

use spawner::Report;
use spawner::report::{CleanupPart, ExitKind, ExitPart};

use crate::cli::command;

/// The whole report.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    line(&mut text, "task", &command::shown(&report.task.argv));
    let place =
        report.task.host.as_ref().map(|host| format!(", at {}", host.escape_debug())).unwrap_or_default();
    line(&mut text, "id", &format!("{} on backend `{}`{place}", report.task.id, report.task.backend));
    line(&mut text, "exit", &exit(&report.exit));
    cleanup(&mut text, &report.cleanup);
    text
}

fn line(text: &mut String, label: &str, value: &str) {
    // UNWRAP: writing to a String does not fail.
    writeln!(text, "{:<13}{value}", format!("{label}:")).unwrap();
}

fn exit(exit: &ExitPart) -> String {
    match (exit.kind, exit.code, exit.signal) {
        (ExitKind::Exited, Some(code), _) => format!("exited with status {code}"),
        (ExitKind::Signalled, _, Some(signal)) => format!("ended by signal {signal}"),
        (ExitKind::Oom, ..) => "ended by the kernel, out of memory".into(),
        (ExitKind::TimedOut, ..) => "ended since it ran too long".into(),
        (ExitKind::Exited | ExitKind::Signalled | ExitKind::Lost, ..) => "nobody can say".into(),
    }
}

fn cleanup(text: &mut String, cleanup: &CleanupPart) {
    let by: Vec<_> = cleanup.mechanisms.iter().map(|mechanism| mechanism.name()).collect();
    let force = if cleanup.escalated { ", by force" } else { "" };
    let verdict =
        format!("{}{force}, in {} ms (looked with {})", cleanup.verdict, cleanup.elapsed_ms, by.join(", "));
    line(text, "clean-up", &verdict);
    line(text, "left behind", &counted(cleanup.left_behind_total, cleanup.left_behind.len()));
    for resource in &cleanup.left_behind {
        item(text, resource.kind.name(), &resource.id, resource.name.as_deref(), "");
    }
    line(text, "resources", &counted(cleanup.resources_total, cleanup.resources.len()));
    for resource in &cleanup.resources {
        let mut what = format!(": {}", resource.fate.name());
        if let Some(reason) = &resource.reason {
            what = format!("{what}, {reason}");
        }
        if let Some(remedy) = &resource.remedy {
            what = format!("{what}; to remove it by hand: {remedy}");
        }
        item(text, resource.kind.name(), &resource.id, resource.name.as_deref(), &what);
    }
}

fn counted(total: usize, listed: usize) -> String {
    if listed < total { format!("{total}, of which {listed} are listed") } else { total.to_string() }
}

fn item(text: &mut String, kind: &str, id: &str, name: Option<&str>, what: &str) {
    let name = name.map(|name| format!(" ({})", name.escape_debug())).unwrap_or_default();
    // UNWRAP: writing to a String does not fail.
    writeln!(text, "  {kind} {id}{name}{what}").unwrap();
}
