//! What is said about a finished task: nothing, if all went well.

use std::time::Duration;

use spawner::run::Finished;
use spawner::{CleanupOutcome, Exit, Resource, ResourceKind, TaskSpec, Verdict};

/// How many things are named in one line.
const NAMED: usize = 10;

/// The lines to say.
pub(super) fn about(finished: &Finished, spec: &TaskSpec) -> Vec<String> {
    let Finished { exit, cleanup, .. } = finished;
    let mut lines: Vec<_> = about_exit(exit, spec.timeout).into_iter().collect();
    lines.extend(left_behind(cleanup));
    if !cleanup.is_clean() {
        lines.push(cleanup.to_string());
    }
    lines
}

/// What an exit status alone does not tell.
pub(in crate::cli) fn about_exit(exit: &Exit, timeout: Option<Duration>) -> Option<String> {
    match exit {
        Exit::TimedOut => {
            let timeout = timeout.unwrap_or_default();
            Some(format!("the task was ended, since it ran longer than {timeout:?}"))
        }
        Exit::OutOfMemory => Some("the task was ended by the kernel, since its memory ran out".into()),
        Exit::Lost { why } => Some(format!("nobody can say how the task ended: {why}")),
        Exit::Exited { .. } | Exit::Signalled { .. } => None,
    }
}

/// What was still running after the task had ended.
fn left_behind(cleanup: &CleanupOutcome) -> Option<String> {
    let (listed, total) = (cleanup.left_behind(), cleanup.left_behind_total());
    if total == 0 {
        return None;
    }
    let one_kind = listed.first().filter(|first| listed.iter().all(|resource| resource.kind == first.kind));
    let noun = one_kind.map_or(if total == 1 { "thing" } else { "things" }, |first| noun(first.kind, total));
    let (was, has) = if total == 1 { ("was", "has") } else { ("were", "have") };
    let fate = match cleanup.verdict() {
        Verdict::Clean => format!(" and {has} been destroyed"),
        Verdict::Leaked | Verdict::Unverified => String::new(),
    };
    let names = match listed {
        [] => "; nothing of it could be named".to_owned(),
        listed => format!(": {}", shortened(listed.iter(), total)),
    };
    Some(format!("{total} {noun} {was} left behind{fate}{names}"))
}

/// Things by their names and ids, the first of them.
pub(in crate::cli) fn names(things: &[&Resource]) -> String {
    shortened(things.iter().copied(), things.len())
}

fn shortened<'a>(listed: impl Iterator<Item = &'a Resource>, total: usize) -> String {
    let mut names: Vec<String> = listed.take(NAMED).map(name).collect();
    if total > names.len() {
        names.push(format!("and {} more", total - names.len()));
    }
    names.join(", ")
}

fn noun(kind: ResourceKind, count: usize) -> &'static str {
    match (kind, count) {
        (ResourceKind::Process, 1) => "process",
        (ResourceKind::Process, _) => "processes",
        (ResourceKind::Container, 1) => "container",
        (ResourceKind::Container, _) => "containers",
        (_, 1) => "thing",
        (_, _) => "things",
    }
}

fn name(resource: &Resource) -> String {
    match &resource.name {
        Some(name) => format!("{} ({})", name.escape_debug(), resource.id),
        None => resource.id.clone(),
    }
}
