//! Reads `/proc`, with a parser of its own.

use std::path::Path;

use crate::harness;
use crate::witness::Living;

/// The processes that have `token` on their command line and at least one living thread.
pub(super) fn living(token: &str) -> Vec<Living> {
    let numbers = entries(Path::new("/proc"));
    numbers.into_iter().filter_map(|pid| one(pid, token)).collect()
}

/// The processes in a control group, alive or not.
pub(super) fn members(group: &Path) -> Vec<Living> {
    let pids = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let describe = |pid: u32| {
        let line = String::from_utf8_lossy(&command_line(pid).unwrap_or_default()).replace('\0', " ");
        Living { pid, state: living_state(pid).unwrap_or('Z'), what: line }
    };
    pids.lines().filter_map(|pid| pid.parse().ok()).map(describe).collect()
}

fn one(pid: u32, token: &str) -> Option<Living> {
    let line = command_line(pid)?;
    if !contains(&line, token.as_bytes()) || contains(&line, harness::ARGUMENT.as_bytes()) {
        return None;
    }
    let state = living_state(pid)?;
    let mut words = line.split(|&byte| byte == 0);
    let program = words.next().unwrap_or_default();
    let what = if words.next() == Some(crate::mischief::ARGUMENT.as_bytes()) { words.next() } else { None };
    Some(Living { pid, state, what: String::from_utf8_lossy(what.unwrap_or(program)).into_owned() })
}

pub(super) fn carries(pid: u32, token: &str) -> bool {
    command_line(pid).is_some_and(|line| contains(&line, token.as_bytes()))
}

pub(crate) fn is_alive(pid: u32) -> bool {
    living_state(pid).is_some()
}

/// The command line; that of another thread where the first one has ended, whose own reads as empty.
fn command_line(pid: u32) -> Option<Vec<u8>> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    if !line.is_empty() {
        return Some(line);
    }
    let threads = format!("/proc/{pid}/task");
    let of = |thread: u32| std::fs::read(format!("{threads}/{thread}/cmdline")).ok();
    entries(Path::new(&threads)).into_iter().filter_map(of).find(|line| !line.is_empty())
}

/// The state of the first thread that is alive.
fn living_state(pid: u32) -> Option<char> {
    let threads = format!("/proc/{pid}/task");
    let state = |thread: u32| {
        let stat = std::fs::read(format!("{threads}/{thread}/stat")).ok()?;
        // The name may hold anything, a `)` too; what follows the last one is the kernel's own.
        let end = stat.iter().rposition(|&byte| byte == b')')?;
        stat.get(end + 2).map(|&state| char::from(state))
    };
    entries(Path::new(&threads)).into_iter().filter_map(state).find(|state| !matches!(state, 'Z' | 'X' | 'x'))
}

pub(super) fn entries(folder: &Path) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}
