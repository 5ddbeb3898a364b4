//! The page for people.

use std::fmt::Write as _;

use super::{digits, number};
use crate::document::{Document, Goal, Table};
use crate::matrix::{Cell, Ending, Matrix, ORDINARY, ROOT};
use crate::peers::library::Claim;

pub(crate) fn page(document: &Document, plotted: &[String]) -> String {
    let mut page = String::from("# Measured beside others\n\n");
    let _: std::fmt::Result = body(&mut page, document, plotted);
    page
}

fn body(page: &mut String, document: &Document, plotted: &[String]) -> std::fmt::Result {
    writeln!(
        page,
        "Every figure on this page was produced by `scripts/compare.sh`, which installs the peers from the package"
    )?;
    writeln!(
        page,
        "registries and runs all of them in turns, so that whatever else the machine does hits all alike: read the ratios,"
    )?;
    writeln!(
        page,
        "not the times. Medians stand with the lower and upper quartile. The same as JSON: [compare.json](compare.json).\n"
    )?;
    writeln!(page, "{}. {:.0} s in all.", document.machine.line(), document.seconds)?;
    if document.quick {
        writeln!(page, "\n**A quick run**, with few turns: the figures are rough.")?;
    }
    writeln!(page, "\n{}\n", document.machine.versions.join(" · "))?;
    writeln!(page, "## Goals\n\n| what | goal | found | |\n|---|---|---|---|")?;
    for goal in &document.goals {
        goal_row(page, goal)?;
    }
    let missed = document.goals.iter().filter(|goal| goal.met == Some(false));
    for (beginning, why) in WHY {
        if missed.clone().any(|goal| goal.what.starts_with(beginning)) {
            writeln!(page, "\n{why}")?;
        }
    }
    if let Some(matrix) = &document.matrix {
        containment(page, matrix)?;
    }
    writeln!(page, "\n## Cost")?;
    for table in &document.tables {
        cost(page, table, plotted)?;
    }
    if !document.absent.is_empty() {
        writeln!(page, "\n## What could not be had\n")?;
        for absent in &document.absent {
            writeln!(page, "* {}: {}", absent.what, absent.why.replace('\n', " "))?;
        }
    }
    Ok(())
}

/// Why a goal is not met, where it is not, and what the limit is; by how the goal begins.
const WHY: [(&str, &str); 7] = [
    (
        "library:",
        "The library: whatever is to survive the death of a harness is another process's child, and on record. Of that, \
         the bare helper with a record (below) does the least there is: a message each way, a file that is created, \
         renamed into place, appended to and removed, and a look at `/proc` for the identity of what was started. Its \
         ratio is the limit on this machine. What is above it are the task's session, signals and descriptors, and the \
         proof that nothing is left.",
    ),
    (
        "whole program",
        "The program: it reads its configuration and where control groups are, keeps a record, and has three processes, each \
         with pages to fault in: itself, the supervisor and the keeper. bubblewrap has two, and no record.",
    ),
    (
        "destroy of 1000",
        "The destroy: `cgroup.kill` with drain has the kernel do nothing but end processes, which another one reaps. \
         `spawner` lists the first hundred members beforehand, so as to name them; reaps all of them itself, since that \
         is its proof, on the same cores on which they die; and listens to its harness meanwhile. The next row of the \
         table is one who only reaps.",
    ),
    (
        "tasks per second",
        "The rate: with both cores busy, what the keepers do for a task is time that is not there for the next one. It is \
         what the library takes above `tokio::process`, again.",
    ),
    (
        "podman:",
        "Containers: nearly all of that time the engine, conmon and the runtime create, start and remove a container, which \
         is the same for both. What can be saved is one start of the podman program.",
    ),
    (
        "remote:",
        "Another machine: of the two sessions of plain ssh `spawner` needs one. In it perl becomes the subreaper and then a \
         shell, which reads what a guardian does, starts the task in a session of its own by env(1), and looks afterwards \
         that nothing is left. The bare guardian (below) is perl, shell and task, and nothing else.",
    ),
    (
        "escapes",
        "Escapes: the row names the first of them. Where it is a storm of forks on another machine, the guardian there is a \
         shell, which kills again and again what it finds, and which such a storm can outrun on a busy host: \
         [capabilities.md](../capabilities.md#end-fork-storm) claims no more. Four cells are played at a time, storms among \
         them, and eleven seconds after the death of its harness a task there is to be gone. Nobody said that it was.",
    ),
];

fn goal_row(page: &mut String, goal: &Goal) -> std::fmt::Result {
    let found = goal.found.map_or_else(|| "not measured".to_owned(), digits);
    let met = match goal.met {
        Some(true) => "met",
        Some(false) => "**not met**",
        None => "",
    };
    writeln!(
        page,
        "| {} | {} | {met} {found} | {} |",
        goal.what,
        goal.goal,
        goal.detail.replace(['|', '\n'], " ")
    )
}

fn cost(page: &mut String, table: &Table, plotted: &[String]) -> std::fmt::Result {
    writeln!(page, "\n### {}\n\n{}\n", table.title, table.how)?;
    let plot = format!("compare-{}.svg", table.name);
    if plotted.contains(&plot) {
        writeln!(page, "![{}]({plot})\n", table.title)?;
    }
    let cases = table.rows.iter().any(|row| !row.case.is_empty());
    let (head, line) = if cases { ("| | ", "|---") } else { ("| ", "") };
    writeln!(page, "{head}| median | quartiles | ÷ {} | turns |", table.baseline)?;
    writeln!(page, "{line}|---|---|---|---|---|")?;
    for row in &table.rows {
        if cases {
            write!(page, "| {} ", row.case)?;
        }
        let Some(found) = row.found else {
            let why = row.why_not.as_deref().unwrap_or("not measured").replace(['|', '\n'], " ");
            writeln!(page, "| {} | {why} | | | |", row.who)?;
            continue;
        };
        let value = |value| number(value, table.unit);
        let ratio = row.ratio.filter(|ratio| ratio.of_medians.is_finite());
        let ratio = ratio.map_or_else(String::new, |ratio| {
            let [low, high] = [ratio.lower_quartile, ratio.upper_quartile].map(digits);
            format!("{} ({low} to {high})", digits(ratio.of_medians))
        });
        let (low, high) = (value(found.lower_quartile), value(found.upper_quartile));
        writeln!(
            page,
            "| {} | {} | {low} to {high} | {ratio} | {} |",
            row.who,
            value(found.median),
            found.turns
        )?;
    }
    Ok(())
}

fn containment(page: &mut String, matrix: &Matrix) -> std::fmt::Result {
    writeln!(page, "\n## What survives\n")?;
    writeln!(
        page,
        "Each task of the conformance suite, run by each peer. A lock that everything of the task inherits says what is alive,"
    )?;
    writeln!(
        page,
        "and an outer jail ends it afterwards. A task that is destroyed on request is asked first, as the peer's documentation"
    )?;
    writeln!(page, "advises, and ended by force {} ms later.\n", crate::keep::GRACE.as_millis())?;
    writeln!(page, "| | |\n|---|---|")?;
    writeln!(page, "| ✓ | nothing survives, and the peer proved it |\n| · | nothing survives |")?;
    writeln!(page, "| **3** | so many processes survive, and the peer says nothing of them |")?;
    writeln!(
        page,
        "| 3 named | they survive, and are named |\n| ? | nothing survives, and the peer says that it cannot know |"
    )?;
    writeln!(
        page,
        "| **false** | the peer said that it is proved clean, and something was alive; or named what was gone |"
    )?;
    writeln!(page, "| – | cannot be played: see below |")?;
    let endings = [(Ending::Requested, "destroyed on request"), (Ending::Killed, "the harness is killed")];
    for user in [ROOT, ORDINARY] {
        for (ending, words) in endings {
            let cells: Vec<&Cell> =
                matrix.cells.iter().filter(|cell| cell.user == user && cell.ending == ending).collect();
            if cells.is_empty() {
                continue;
            }
            let there = |peer: &&String| cells.iter().any(|cell| &cell.peer == *peer && cell.found.is_some());
            let peers: Vec<&String> = matrix.peers.iter().filter(there).collect();
            writeln!(page, "\n### As {user}, {words}\n")?;
            writeln!(page, "| |{}", peers.iter().map(|peer| format!(" {peer} |")).collect::<String>())?;
            writeln!(page, "|---|{}", "---|".repeat(peers.len()))?;
            for task in &matrix.tasks {
                let of_task: Vec<_> = cells.iter().filter(|cell| &cell.task == task).collect();
                if of_task.is_empty() {
                    continue;
                }
                let cell = |peer: &str| {
                    of_task.iter().find(|cell| cell.peer == peer).map_or_else(String::new, |cell| show(cell))
                };
                let row: String = peers.iter().map(|peer| format!(" {} |", cell(peer))).collect();
                writeln!(page, "| {task} |{row}")?;
            }
        }
    }
    unplayed(page, matrix)
}

fn show(cell: &Cell) -> String {
    let Some(found) = &cell.found else { return "–".into() };
    let proved_wrongly = found.claim == Claim::Proved && found.alive_at_claim;
    match (&found.claim, found.survivors) {
        _ if found.false_dirty || proved_wrongly && found.survivors == 0 => "**false**".into(),
        (Claim::Proved, 0) => "✓".into(),
        (Claim::Unsure(_), 0) => "?".into(),
        (_, 0) => "·".into(),
        (Claim::Left(_), count) => format!("{count} named"),
        (Claim::Unsure(_), count) => format!("{count} ?"),
        (_, count) => format!("**{count}**"),
    }
}

/// The reasons why cells could not be played, each once.
fn unplayed(page: &mut String, matrix: &Matrix) -> std::fmt::Result {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for cell in &matrix.cells {
        let Some(why) = &cell.why_not else { continue };
        let (why, what) = (
            format!("{}: {}", cell.peer, why.replace('\n', " ")),
            format!("{}, as {}", cell.task, cell.user),
        );
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, list)) => list.push(what),
            None => reasons.push((why, vec![what])),
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(page, "\nWhat could not be played, and why:\n")?;
    for (why, mut what) in reasons {
        what.dedup();
        let list = if what.len() > 4 { format!("{} tasks", what.len()) } else { what.join("; ") };
        writeln!(page, "* {why} ({list})")?;
    }
    Ok(())
}
