//! Who the children of a process are, says `/proc` (proc(5)).

use std::fs;
use std::io;

use spawner_core::proc::{Stat, gone};

/// The pids of the children of `pid`, in all its threads.
pub(crate) fn of(pid: i32, threads: u32) -> io::Result<Vec<i32>> {
    let main = read_pids(&format!("/proc/{pid}/task/{pid}/children"));
    if threads <= 1 {
        return main;
    }
    let mut all = match main {
        Ok(all) => all,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?.file_name();
        let thread = thread.to_string_lossy();
        if thread.parse() == Ok(pid) {
            continue;
        }
        match read_pids(&format!("/proc/{pid}/task/{thread}/children")) {
            Ok(more) => all.extend(more),
            Err(error) if gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// The children of `pid` by a walk over all of `/proc`, for kernels without the `children` files.
pub(crate) fn by_walk(pid: i32) -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(candidate) = entry?.file_name().to_string_lossy().parse::<i32>() else { continue };
        if Stat::of(candidate).is_ok_and(|stat| stat.parent == pid) {
            found.push(candidate);
        }
    }
    Ok(found)
}

fn read_pids(path: &str) -> io::Result<Vec<i32>> {
    let text = fs::read_to_string(path)?;
    Ok(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}
