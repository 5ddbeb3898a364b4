//! What a task leaves behind is ended, and named.
#![cfg(unix)]

mod common;

use common::{alive, mark, run_sh};

#[test]
fn the_example_of_the_readme_holds() {
    let mark = mark();
    let ran = run_sh(&[], &format!("sleep {mark} & setsid sleep {mark} & echo hello; exit 7"));
    assert_eq!((ran.status, ran.stdout.as_str()), (7, "hello\n"), "{ran:?}");
    let said = "spawner: 2 processes were left behind and have been destroyed: sleep (";
    assert!(ran.stderr.starts_with(said), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert_eq!(alive(&mark), [0; 0]);
    assert!(ran.took.as_secs() < 4, "it took {:?}", ran.took);
}

#[test]
fn one_is_told_in_the_singular() {
    let ran = run_sh(&[], &format!("sleep {} & exit 0", mark()));
    assert!(ran.stderr.starts_with("spawner: 1 process was left behind and has been destroyed"), "{ran:?}");
}

#[test]
fn what_ends_within_the_linger_is_not_left_behind() {
    let ran = run_sh(&["--linger", "20s"], "sleep 0.3 & exit 0");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.took.as_secs() < 10, "the linger was waited for, though all had ended: {ran:?}");
}

#[test]
fn nothing_is_lost_of_what_goes_through_a_tee() {
    let folder = common::folder();
    let log = folder.path().join("log");
    let script = format!("bash -c 'exec > >(tee {}); seq 20000'", log.display());
    let ran = run_sh(&[], &script);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 20000);
    assert_eq!(std::fs::read_to_string(log).unwrap(), ran.stdout);
}

#[test]
fn a_hostile_name_cannot_write_to_our_terminal() {
    let folder = common::folder();
    let program = folder.path().join("a) \x1b[2J\nb");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let ran = run_sh(&[], &format!("'{}' {} & exit 0", program.display(), mark()));
    assert!(ran.stderr.contains(r"a) \u{1b}[2J\nb"), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
}

#[test]
fn a_task_finds_the_signals_as_a_shell_gives_them() {
    let ignored =
        |status: &str| status.lines().find(|line| line.starts_with("SigIgn:")).map(str::to_owned).unwrap();
    let blocked =
        |status: &str| status.lines().find(|line| line.starts_with("SigBlk:")).map(str::to_owned).unwrap();
    let by_hand = std::process::Command::new("cat").arg("/proc/self/status").output().unwrap().stdout;
    let by_hand = String::from_utf8(by_hand).unwrap();
    let ran = common::spawner(["run", "--", "cat", "/proc/self/status"]);
    assert_eq!(ignored(&ran.stdout), ignored(&by_hand));
    assert_eq!(blocked(&ran.stdout), blocked(&by_hand));
}
