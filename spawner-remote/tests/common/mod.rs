//! Small things that every test needs, and what else there is to talk to a far end.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "every test program uses its own part")]

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use spawner_core::{Exit, ProcessIdentity};
use spawner_remote::said::Said;

pub mod bound;
pub mod canary;
mod far;
pub mod harness;
pub mod lab;
pub mod link;
pub mod lock;
mod order;
mod pipes;
pub mod place;
pub mod slow;
pub mod sshd;

pub use far::{Far, Running};
pub use order::Order;

/// The shells that a host may have as its `sh`.
pub const SHELLS: [&[&str]; 4] =
    [&["/bin/dash"], &["/bin/bash"], &["/bin/bash", "--posix"], &["/bin/busybox", "ash"]];

/// What is given to every step before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How a command gets to the far end.
pub type Way = Box<dyn Fn(&str) -> Command>;

/// Through the account's own shell, on this machine.
pub fn local(login: &'static str) -> Way {
    Box::new(move |text| {
        let mut command = Command::new(login);
        command.arg("-c").arg(text);
        command
    })
}

/// Likewise, where the programs in `folder` are found before others.
pub fn local_behind(folder: &Path) -> Way {
    let path = format!("{}:/usr/bin:/bin", folder.display());
    Box::new(move |text| {
        let mut command = Command::new("sh");
        command.args(["-c", text]).env("PATH", &path);
        command
    })
}

/// Likewise, as an ordinary user.
pub fn local_as(account: &'static str, login: &'static str) -> Way {
    Box::new(move |text| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", account, "--regid", account, "--init-groups", "env", "-C", "/"]);
        command.arg(format!("HOME=/home/{account}")).args([login, "-c", text]);
        command
    })
}

/// How it ended, where that is what was said.
pub fn exit_said(said: &Said) -> Option<Exit> {
    if let Said::Exit(exit) = said { Some(exit.clone()) } else { None }
}

/// Whether a process runs, by this test's own look.
pub fn runs(pid: u32) -> bool {
    ProcessIdentity::of(pid).is_some()
}

/// The parent of a process.
pub fn parent(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap()
}

/// A child of a process, dead or alive.
pub struct Kid {
    pub pid: u32,
    pub name: String,
    pub state: char,
}

/// The children of a process, by the numbers in /proc.
pub fn children(parent: u32) -> Vec<Kid> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name may hold a blank, and a parenthesis.
        let Some((before, after)) = stat.rsplit_once(") ") else { continue };
        let (pid, name) = before.split_once(" (").unwrap();
        let mut fields = after.split(' ');
        let state = fields.next().unwrap().parse().unwrap();
        if fields.next() == Some(&parent.to_string()) {
            found.push(Kid { pid: pid.parse().unwrap(), name: name.to_owned(), state });
        }
    }
    found
}

/// Polls until `done`, and fails with `what` where that takes too long.
pub fn until(what: &str, patience: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends a child of this test, whatever else failed.
pub fn end(child: &mut Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait()) {
        eprintln!("cannot end a child of this test: {error}");
    }
}

/// SIGKILL, for helpers of the far end that a test wants to lose.
pub fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
