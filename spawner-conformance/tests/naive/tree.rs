//! What is below this process.

use std::collections::HashMap;

use rustix::process::Pid;

use super::Flaw;

/// A process below this one.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) pid: Pid,
    pub(crate) name: String,
    pub(crate) zombie: bool,
}

/// Everything below this process, but for the harnesses that the suite starts beside the backend.
pub(crate) fn below(flaw: Flaw) -> Vec<Member> {
    let mut children: HashMap<i32, Vec<(i32, Member)>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Some((parent, member)) = read(pid, flaw) else { continue };
        children.entry(parent).or_default().push((pid, member));
    }
    let mut found = Vec::new();
    let mut open = vec![rustix::process::getpid().as_raw_nonzero().get()];
    while let Some(parent) = open.pop() {
        for (pid, member) in children.remove(&parent).unwrap_or_default() {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains("spawner-conformance-harness") {
                continue;
            }
            open.push(pid);
            found.push(member);
        }
    }
    found
}

fn read(pid: i32, flaw: Flaw) -> Option<(i32, Member)> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let close = if flaw == Flaw::TrustsNames { stat.find(')')? } else { stat.rfind(')')? };
    let name = stat[stat.find('(')? + 1..close].to_owned();
    let mut fields = stat[close + 1..].split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let zombie = state == "Z" && (flaw == Flaw::TrustsFirstThread || threads <= 1);
    Some((parent, Member { pid: Pid::from_raw(pid)?, name, zombie }))
}
