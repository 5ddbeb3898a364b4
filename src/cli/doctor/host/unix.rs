//! The kernel, the user, the limits and the terminal.

use std::io::IsTerminal as _;

use rustix::process::{Resource, getrlimit};

use crate::cli::doctor::finding::Finding;

/// What concerns every task.
pub(super) fn findings() -> Vec<Finding> {
    vec![kernel(), user(), files(), processes(), terminal()]
}

/// The kernel. 5.14 has all that is used: cgroup.kill.
fn kernel() -> Finding {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let detail = format!("{} {release}", uname.sysname().to_string_lossy());
    if !cfg!(target_os = "linux") {
        let remedy = "this system has no way to prove that a task is gone; only Linux has one";
        return Finding::limited("kernel", detail, remedy);
    }
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 14) {
        Finding::ok("kernel", detail)
    } else {
        Finding::limited(
            "kernel",
            detail,
            "`cgroup.kill` came with Linux 5.14; before it, `auto` uses the subreaper",
        )
    }
}

/// Who we are.
fn user() -> Finding {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        Finding::ok("user", "root")
    } else {
        let detail = format!("uid {}, an ordinary user", uid.as_raw());
        Finding::limited(
            "user",
            detail,
            "what a set-uid program of a task becomes can be ended in a delegated control group, or as root",
        )
    }
}

/// File descriptors: each running task takes a few.
fn files() -> Finding {
    let limit = getrlimit(Resource::Nofile);
    let detail = format!("{} open files, {} at most", shown(limit.current), shown(limit.maximum));
    if limit.current.is_some_and(|limit| limit < 256) {
        return Finding::limited("open files", detail, "few tasks at one time: raise `ulimit -n`");
    }
    Finding::ok("open files", detail)
}

/// Processes: of this user, and of our control group.
fn processes() -> Finding {
    let limit = getrlimit(Resource::Nproc).current;
    let detail = match limit {
        None => "no limit for this user".to_owned(),
        Some(limit) => format!("{limit} for this user"),
    };
    if limit.is_some_and(|limit| limit < 128) {
        return Finding::limited("processes", detail, "tasks may fail to fork: raise `ulimit -u`");
    }
    Finding::ok("processes", detail)
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

/// Whether a task can be given the terminal.
fn terminal() -> Finding {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Finding::ok("terminal", "standard input is none, so a task gets none");
    }
    match rustix::termios::tcgetpgrp(stdin) {
        Ok(group) if group == rustix::process::getpgrp() => {
            Finding::ok("terminal", "a task gets one of its own, joined with this one")
        }
        Ok(_) => Finding::limited("terminal", "this is a background job", "bring it to the foreground: `fg`"),
        Err(error) => Finding::limited(
            "terminal",
            format!("standard input is not the one that controls this session: {error}"),
            "a task gets none of its own; start a session on it with `setsid --ctty`",
        ),
    }
}
