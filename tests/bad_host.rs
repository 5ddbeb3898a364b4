//! Hosts that lack something: a clear error that says what would help, the documented status, nothing left.
#![cfg(unix)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use common::{Ran, alive, finish, folder, mark, names};

/// A uid that has no other processes, so that limits per user are exact.
const ORDINARY: &str = "64123";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether `program` and what it is told to do first work here; a skipped test says why.
fn can(what: &str, program: &str, arguments: &[&str]) -> bool {
    let works = Command::new(program).args(arguments).output().is_ok_and(|ran| ran.status.success());
    if !works {
        eprintln!("skipped: {what} does not work here");
    }
    works
}

/// `script` in a mount namespace of its own, `$S` being the program.
fn with_mounts(script: &str) -> Option<Ran> {
    let works = can("a mount namespace of one's own", "unshare", &["-rm", "true"]);
    works.then(|| finish(plain("unshare").args(["-rm", "sh", "-c", script])))
}

/// `script` as an ordinary user, in a folder that such a one reaches, `$S` being the program.
fn as_ordinary(script: &str) -> Ran {
    let folder = folder();
    let program = folder.path().join("spawner");
    std::fs::copy(env!("CARGO_BIN_EXE_spawner"), &program).unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    for (path, mode) in [(folder.path(), 0o755), (&program, 0o755), (&state, 0o777)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = if is_root() { plain("setpriv") } else { plain("bash") };
    if is_root() {
        command.args(["--reuid", ORDINARY, "--regid", ORDINARY, "--clear-groups", "bash"]);
    }
    finish(command.env("S", &program).env("SPAWNER_STATE_DIR", &state).current_dir("/").args(["-c", script]))
}

fn plain(program: &str) -> Command {
    let mut command = common::other(program);
    command.env("S", env!("CARGO_BIN_EXE_spawner")).env("XDG_CONFIG_HOME", "/nonexistent");
    command.env_remove("SPAWNER_CONFIG").stdin(std::process::Stdio::null());
    command
}

fn sh(script: &str) -> Ran {
    finish(plain("sh").args(["-c", script]))
}

#[track_caller]
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.status, 125, "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is missing: {ran:?}");
    }
    assert_eq!(ran.stdout, "", "it was started: {ran:?}");
}

#[test]
fn without_proc_nothing_is_started() {
    for mechanism in ["auto", "cgroup-v2", "subreaper", "pid-namespace", "process-group"] {
        let script =
            format!("mount -t tmpfs none /proc && exec $S run --mechanism {mechanism} -- echo started");
        let Some(ran) = with_mounts(&script) else { return };
        refused(&ran, &["/proc is not mounted", "mount -t proc proc /proc"]);
    }
    let doctor = with_mounts("mount -t tmpfs none /proc && exec $S doctor").unwrap();
    assert_eq!(doctor.status, 125, "{doctor:?}");
    assert!(doctor.stdout.contains("mount -t proc proc /proc"), "{doctor:?}");
}

#[test]
fn control_groups_that_cannot_be_written_to_are_done_without() {
    if !std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - cgroup2 ") {
        eprintln!("skipped: cgroup v2 is not mounted");
        return;
    }
    let (mark, word) = (mark(), "is mounted read-only");
    let read_only = "awk '$3 == \"cgroup2\" {print $2}' /proc/self/mounts | \
                     while read -r m; do mount --bind $m $m && mount -o remount,ro,bind $m; done";
    for (prepare, word) in [(read_only, word), ("mount -t tmpfs none /sys/fs/cgroup", "is not mounted")] {
        let script = format!("{prepare}; exec $S run -- sh -c 'sleep {mark} & exit 3'");
        let Some(ran) = with_mounts(&script) else { return };
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(ran.stderr.contains("1 process was left behind and has been destroyed"), "{ran:?}");
        let script = format!("{prepare}; exec $S run --mechanism cgroup-v2 -- echo started");
        refused(&with_mounts(&script).unwrap(), &[word, "mount -"]);
    }
    assert_eq!(alive(&mark), [0; 0]);
}

#[test]
fn a_control_group_that_may_have_none_below_it_is_told() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    let (true, Some(mount)) = (is_root(), mount) else {
        eprintln!("skipped: needs root and cgroup v2");
        return;
    };
    let group = Path::new(mount.split(' ').nth(1).unwrap()).join(format!("bad-host-{}", std::process::id()));
    std::fs::create_dir(&group).unwrap();
    std::fs::write(group.join("cgroup.max.descendants"), "0").unwrap();
    let ran = sh(&format!("echo $$ > {}/cgroup.procs; exec $S run -- echo started", group.display()));
    let removed = common::eventually(|| std::fs::remove_dir(&group).ok());
    refused(&ran, &["make a control group", "cgroup.max.descendants", "`subreaper`"]);
    assert!(removed.is_some(), "something is left in {}", group.display());
}

#[test]
fn a_limit_of_processes_is_an_error_that_says_so() {
    if !is_root() {
        eprintln!("skipped: needs root, for a user without other processes");
        return;
    }
    let mark = mark();
    let mut refusals = 0;
    for limit in 1..8 {
        let ran = as_ordinary(&format!("ulimit -u {limit}; exec $S run -- sh -c 'sleep {mark} & exit 3'"));
        match ran.status {
            // Two are of the task: the shell's own failure to fork is the task's.
            2 | 3 => {}
            _ => {
                refused(&ran, &["ulimit -u"]);
                refusals += 1;
            }
        }
    }
    assert!((2..6).contains(&refusals), "{refusals} limits were too low");
    assert_eq!(alive(&mark), [0; 0]);
}

#[test]
fn what_proc_hides_is_ended_all_the_same() {
    if !is_root() {
        eprintln!("skipped: needs root, to mount /proc with hidepid");
        return;
    }
    let mark = mark();
    let folder = folder();
    let program = folder.path().join("spawner");
    std::fs::copy(env!("CARGO_BIN_EXE_spawner"), &program).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // A mount of its own: to remount the one that is there would change it for everybody.
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc && cd / && \
         exec setpriv --reuid {ORDINARY} --regid {ORDINARY} --clear-groups {} run --mechanism subreaper -- \
         sh -c 'sleep {mark} & setsid sleep {mark} & exit 3'",
        program.display()
    );
    let ran = finish(plain("unshare").args(["-m", "sh", "-c", &script]));
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stderr.contains("2 processes were left behind and have been destroyed"), "{ran:?}");
    assert_eq!(alive(&mark), [0; 0]);
}

#[test]
fn a_folder_that_may_not_be_searched_is_passed_over() {
    // Its owner is root where the program runs as another; else nobody may search it.
    let closed = folder();
    std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o000)).unwrap();
    let path = closed.path().display();
    let ran = as_ordinary(&format!("PATH={path}:$PATH; exec $S run -- no-such-program"));
    assert_eq!(ran.status, 127, "{ran:?}");
    assert!(ran.stderr.contains("this account may search"), "{ran:?}");
    let ran = as_ordinary(&format!("exec $S run -- {path}/program"));
    assert_eq!(ran.status, 126, "{ran:?}");
    let ran = as_ordinary(&format!("exec $S run --cwd {path} -- echo started"));
    refused(&ran, &["enter the working directory", "may not search"]);
    let ran = as_ordinary(&format!("exec $S run --report {path}/r -- echo started"));
    refused(&ran, &["open the report", "Permission denied"]);
    // A home that is another account's says nothing about the configuration.
    let ran = as_ordinary(&format!("unset XDG_CONFIG_HOME; HOME={path} exec $S run -- echo started"));
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "started\n"), "{ran:?}");
}

#[test]
fn closed_standard_streams_are_no_trouble() {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let ran = sh(&format!("$S run -- sh -c 'echo out; echo err >&2; exit 4' {closed}"));
        assert_eq!(ran.status, 4, "{closed}: {ran:?}");
        let ran = sh(&format!("$S doctor {closed}"));
        assert_eq!(ran.status, 0, "{closed}: {ran:?}");
    }
}

#[test]
fn a_working_directory_that_was_removed_is_the_tasks_trouble_alone() {
    let ran = sh("d=$(mktemp -d); cd $d; rmdir $d; $S run -- sh -c 'echo hi; exit 3'");
    assert_eq!((ran.status, ran.stdout.as_str()), (3, "hi\n"), "{ran:?}");
    refused(
        &sh("d=$(mktemp -d); cd $d; rmdir $d; $S run --report r -- echo started"),
        &["open the report r"],
    );
}

#[test]
fn umask_and_ignored_signals_are_passed_on() {
    let folder = folder();
    let script = format!("umask 027; cd {}; $S run --report r -- sh -c 'umask; >f'", folder.path().display());
    let ran = sh(&script);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "0027\n"), "{ran:?}");
    for name in names(folder.path()) {
        let mode = std::fs::metadata(folder.path().join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{}", name.display());
    }
    let ran = sh("trap '' HUP TERM INT CHLD; $S run -- sh -c 'kill -HUP $$; kill -TERM $$; echo survived'");
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "survived\n"), "{ran:?}");
    let ran = sh("$S run -- sh -c 'kill -PIPE $$'");
    assert_eq!(ran.status, 141, "{ran:?}");
}
