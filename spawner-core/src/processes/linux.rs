//! Linux: `/proc`, as [`proc`](crate::proc) reads it.

use std::io;

use super::Entry;
use crate::proc::Stat;

/// Every process that `/proc` shows.
pub fn all() -> io::Result<Vec<Entry>> {
    let mut all = Vec::new();
    for folder in std::fs::read_dir("/proc")? {
        let pid = folder?.file_name().to_string_lossy().parse();
        all.extend(pid.ok().and_then(of));
    }
    Ok(all)
}

/// The process with this pid, as `/proc` shows it.
pub fn of(pid: u32) -> Option<Entry> {
    let stat = Stat::of(pid.cast_signed()).ok()?;
    Some(Entry {
        pid,
        parent: stat.parent.cast_unsigned(),
        group: stat.group.cast_unsigned(),
        session: stat.session.cast_unsigned(),
        start_time: stat.start_time,
        dead: stat.is_dead(),
        stopped: matches!(stat.state, b'T' | b't'),
        name: stat.name,
    })
}

/// What the process was executed with.
pub fn environment(pid: u32) -> io::Result<Vec<u8>> {
    std::fs::read(format!("/proc/{pid}/environ"))
}
