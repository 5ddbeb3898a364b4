//! Workloads that use what only Linux has. At most 60 processes each.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::sys::{
    await_zombie, be_traced, become_root, become_subreaper, become_undumpable, become_user, child, daemon,
    end_thread, exec, has_ended, leave, linger, live_at_most, raise, ready, reap, set_name, stay,
    unshare_pids, until,
};
use crate::mischief::common::await_ready;
use crate::mischief::{Args, Workload};

/// The workload that a set-uid copy of the program can be; it can be nothing else.
pub(super) const SET_UID_HELPER: &str = "set-uid-helper";

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("subreaper", subreaper),
    ("other-user", other_user),
    ("set-uid-child", set_uid_child),
    ("joins-group", joins_group),
    ("frozen", frozen),
    ("pid-namespace", pid_namespace),
    ("stopped", stopped),
    ("traced", traced),
    ("zombies", zombies),
    ("dead-leader", dead_leader),
    ("dead-main", |_| dead_leader_here()),
    ("hostile-name", hostile_name),
    ("undumpable", undumpable),
];

/// A subreaper of its own and a daemon below it, both left behind.
fn subreaper(args: &Args) -> i32 {
    child(|| {
        become_subreaper();
        daemon(stay);
        stay()
    });
    await_ready(args, 2)
}

/// As root: a child that is user `args[0]` for good, left behind.
fn other_user(args: &Args) -> i32 {
    let uid = u32::try_from(args.number(0)).unwrap_or(u32::MAX);
    child(|| if become_user(uid) { stay() } else { 77 });
    await_ready(args, 1)
}

/// As an ordinary user: a child that becomes root by the set-uid program `args[0]`.
fn set_uid_child(args: &Args) -> i32 {
    let program = args.os(0);
    let pid = child(|| exec(program, &args.of(SET_UID_HELPER, program), None));
    let mut refused = false;
    let root = || {
        refused = has_ended(pid);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("Uid:\t0\t0\t0")) || refused
    };
    until(root);
    if refused { 77 } else { stay() }
}

/// Becomes root for real and sleeps for 15 seconds, holding the lock that it inherited. It opens, reads
/// and writes nothing, since it may run as root on behalf of anybody.
pub(super) fn set_uid_helper() -> i32 {
    live_at_most(Duration::from_secs(15));
    if become_root() { linger() } else { 77 }
}

/// A child that moves itself to the control group `args[0]`, of either version.
fn joins_group(args: &Args) -> i32 {
    child(|| join(&PathBuf::from(args.os(0))));
    stay()
}

fn join(group: &std::path::Path) -> i32 {
    let joined = std::fs::write(group.join("cgroup.procs"), "0");
    if joined.is_ok() { stay() } else { 65 }
}

/// A frozen child in a control group below the task's own; `args[0]` is where version 2 is mounted.
fn frozen(args: &Args) -> i32 {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::/")) else { return 65 };
    let group = PathBuf::from(args.os(0)).join(own).join(format!("frozen-{}", args.token.display()));
    if std::fs::create_dir(&group).is_err() {
        return 65;
    }
    let inner = group.clone();
    child(move || join(&inner));
    await_ready(args, 1);
    if std::fs::write(group.join("cgroup.freeze"), "1").is_err() {
        return 65;
    }
    let events = group.join("cgroup.events");
    until(|| std::fs::read_to_string(&events).is_ok_and(|events| events.contains("frozen 1")));
    stay()
}

/// A pid namespace with three members, left behind.
fn pid_namespace(args: &Args) -> i32 {
    if !unshare_pids() {
        return 65;
    }
    child(|| {
        child(stay);
        daemon(stay);
        stay()
    });
    await_ready(args, 3)
}

fn stopped(_: &Args) -> i32 {
    let inner = child(|| {
        raise(libc::SIGSTOP);
        linger()
    });
    reap(inner, libc::WUNTRACED);
    ready();
    stay()
}

/// A process in a trace stop, whose tracer is stopped too.
fn traced(_: &Args) -> i32 {
    let tracer = child(|| {
        let tracee = child(|| {
            be_traced();
            raise(libc::SIGSTOP);
            linger()
        });
        reap(tracee, libc::WUNTRACED);
        ready();
        ready();
        raise(libc::SIGSTOP);
        linger()
    });
    reap(tracer, libc::WUNTRACED);
    stay()
}

/// 50 children that ended and that nobody waited for; exits then, or stays with `stay`.
fn zombies(args: &Args) -> i32 {
    for _ in 0..50 {
        await_zombie(child(|| 0));
    }
    ready();
    if args.text(0) == "stay" { linger() } else { 0 }
}

/// A process whose first thread has ended while another lives on, left behind.
fn dead_leader(args: &Args) -> i32 {
    child(dead_leader_here);
    await_ready(args, 1)
}

fn dead_leader_here() -> i32 {
    let main = format!("/proc/self/task/{}/stat", std::process::id());
    std::thread::spawn(move || {
        until(|| std::fs::read_to_string(&main).is_ok_and(|stat| stat.contains(") Z ")));
        leave(stay())
    });
    end_thread()
}

/// Two children whose names are made to mislead who reads `/proc/PID/stat`.
fn hostile_name(args: &Args) -> i32 {
    let Ok(own) = std::env::current_exe() else { return 65 };
    child(|| {
        set_name(OsStr::new("a) Z 1\n(b) R 1"));
        stay()
    });
    child(|| {
        let name = OsStr::from_bytes(b"a) b\n1 (x) Z 0 \xff");
        exec(own.as_os_str(), &args.of("stays", name), None)
    });
    await_ready(args, 2)
}

fn undumpable(args: &Args) -> i32 {
    daemon(|| {
        become_undumpable();
        stay()
    });
    await_ready(args, 1)
}
