//! What is on record, for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use spawner::journal::Whose;
use spawner::{Leftover, TaskRecord};

use super::document::{Document, Entry, Group};
use crate::cli::command;
use crate::cli::tasks::Damaged;
use crate::cli::tasks::state::State;

const HEADS: [&str; 7] = ["ID", "NAME", "STATE", "AGE", "PID", "BACKEND", "COMMAND"];
/// The columns of numbers, which end below one another.
const RIGHT: [usize; 2] = [3, 4];
/// However narrow the terminal is, this much of a command is shown.
const LEAST_OF_COMMAND: usize = 12;

/// The table, in lines of at most `width` characters.
pub(super) fn render(document: &Document, width: usize) -> String {
    if document.tasks.is_empty() && document.damaged.is_empty() {
        return "no task lives, and nothing is left of any\n".into();
    }
    let (mut text, now) = (String::new(), Timestamp::now());
    let rows: Vec<_> = document.tasks.iter().map(|task| cells(task, now)).collect();
    let mut widths = HEADS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // All but the last column, with a gap after each and two characters before the first.
    let before: usize = 2 + widths[..6].iter().map(|width| width + 2).sum::<usize>();
    widths[6] = width.saturating_sub(before).max(LEAST_OF_COMMAND);

    if !rows.is_empty() {
        let style = Style::new().dimmed();
        put(&mut text, &line(&HEADS.map(str::to_owned), &widths, style, style));
    }
    let mut above = None;
    for (task, row) in document.tasks.iter().zip(&rows) {
        let group = task.group();
        if above.as_ref() != Some(&group) {
            put(&mut text, &heading(task, &group));
            above = Some(group);
        }
        put(&mut text, &line(row, &widths, Style::new(), style(task.state)));
        for resource in &task.leftovers {
            put(&mut text, &format!("    {}", Leftover::new(&task.record.backend, resource)));
        }
    }
    damaged(&mut text, &document.damaged);
    text
}

fn put(text: &mut String, line: &str) {
    // UNWRAP: writing to a String does not fail.
    writeln!(text, "{line}").unwrap();
}

fn cells(task: &Entry, now: Timestamp) -> [String; 7] {
    let record = &task.record;
    let argv: Vec<_> = record.argv.iter().map(|argument| argument.to_string_lossy()).collect();
    // The pid of one that is gone may be another's by now.
    let leader = record.leader.as_ref().filter(|leader| task.state != State::Elsewhere && leader.is_alive());
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        record.id.to_string(),
        or_dash(record.name.as_deref().map(|name| name.escape_debug().to_string())),
        task.state.name().to_owned(),
        or_dash(task.created.parse().ok().map(|created| age(created, now))),
        or_dash(leader.map(|leader| leader.pid.to_string())),
        place(record),
        command::shown(&argv),
    ]
}

/// Its backend, and the host where that goes to other ones.
fn place(record: &TaskRecord) -> String {
    let backend = record.backend.escape_debug();
    match &record.host {
        Some(host) => format!("{backend} ({})", host.escape_debug()),
        None => backend.to_string(),
    }
}

/// How long ago it was, in the largest unit that is still telling.
fn age(created: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(created).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

fn line(cells: &[String; 7], widths: &[usize; 7], plain: Style, state: Style) -> String {
    let mut line = String::from(" ");
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        let style = if column == 2 { state } else { plain };
        let cell = if column == 6 { cut(cell, width) } else { cell.clone() };
        let fill = if column == 6 { 0 } else { width.saturating_sub(cell.chars().count()) };
        let (left, right) = if RIGHT.contains(&column) { (fill, 0) } else { (0, fill) };
        // The gap before it belongs to no style.
        let gap = if column == 0 { 1 } else { 2 };
        line = format!("{line}{:gap$}{:left$}{style}{cell}{style:#}{:right$}", "", "", "");
    }
    line
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width - 1).collect();
    format!("{kept}…")
}

fn style(state: State) -> Style {
    let colour = match state {
        State::Starting | State::Running => AnsiColor::Green,
        State::Left | State::Lost => AnsiColor::Yellow,
        State::Ended | State::Gone | State::Elsewhere => return Style::new(),
    };
    Style::new().fg_color(Some(colour.into()))
}

fn heading(task: &Entry, group: &Group) -> String {
    let bold = Style::new().bold();
    if *group == Group::detached() {
        return format!("{bold}detached{bold:#}");
    }
    let harness = &task.harness;
    let machine = task.host.machine.rsplit('@').next().unwrap_or_default().escape_debug();
    let about = match harness.state {
        Whose::Living => "running".to_owned(),
        Whose::Dead => "dead; `spawner sweep` ends what is left of it".into(),
        Whose::OtherBoot => "before this boot; `spawner sweep` forgets it".into(),
        Whose::OtherHost => format!("on host {machine}, or in another container of it"),
        Whose::OtherUser => "another user's".into(),
    };
    let command = harness.command.escape_debug();
    format!("{bold}harness {} {command}{bold:#} ({about})", harness.process.pid)
}

fn damaged(text: &mut String, damaged: &[Damaged]) {
    if damaged.is_empty() {
        return;
    }
    let bold = Style::new().bold();
    put(text, &format!("{bold}damaged records{bold:#} ({})", Damaged::REMEDY));
    for Damaged { file, why } in damaged {
        put(text, &format!("  {}: {}", file.escape_debug(), why.escape_debug()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_one_unit() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let told = |seconds: i64| age(Timestamp::from_second(1_000_000 - seconds).unwrap(), now);
        assert_eq!([-5, 0, 119, 120, 7199, 7200].map(told), ["0s", "0s", "119s", "2m", "119m", "2h"]);
        assert_eq!([172_799, 172_800].map(told), ["47h", "2d"]);
    }

    #[test]
    fn a_long_command_is_cut_where_the_terminal_ends() {
        assert_eq!(cut("sleep 300", 9), "sleep 300");
        assert_eq!(cut("sleep 3000", 9), "sleep 30…");
    }
}
