//! The exit status says how the task ended, as the help and DESIGN list it.
#![cfg(unix)]

mod common;

use common::{alive, mark, run_sh, spawner};

#[test]
fn the_status_is_the_tasks_own() {
    for code in [0, 1, 7, 125, 255] {
        let ran = run_sh(&[], &format!("exit {code}"));
        assert_eq!((ran.status, ran.stderr.as_str()), (code, ""));
    }
}

#[test]
fn a_signal_is_128_and_its_number() {
    for (signal, status) in [("TERM", 143), ("KILL", 137), ("HUP", 129), ("SEGV", 139)] {
        let ran = run_sh(&[], &format!("kill -{signal} $$"));
        assert_eq!((ran.status, ran.stderr.as_str()), (status, ""), "{signal}");
    }
}

#[test]
fn a_timeout_is_124_and_ends_everything() {
    let mark = mark();
    let script = format!("sleep {mark} & setsid sleep {mark} & wait");
    let ran = run_sh(&["--timeout", "200ms", "--grace", "5s"], &script);
    assert_eq!(ran.status, 124, "{ran:?}");
    assert_eq!(ran.stderr, "spawner: the task was ended, since it ran longer than 200ms\n");
    assert_eq!(alive(&mark), [0; 0]);
    assert!(ran.took.as_secs() < 4, "the grace was waited for, though all had ended: {ran:?}");
}

#[test]
fn a_task_that_heeds_no_signal_is_killed_after_the_grace() {
    let mark = mark();
    let script = format!("trap '' TERM; sleep {mark}; sleep {mark}");
    let ran = run_sh(&["--timeout", "100ms", "--grace", "100ms"], &script);
    assert_eq!(ran.status, 124, "{ran:?}");
    assert_eq!(alive(&mark), [0; 0]);
}

#[test]
fn a_program_that_is_not_there_is_127() {
    for program in ["no-such-program-anywhere", "/no/such/program"] {
        let ran = spawner(["run", "--", program]);
        assert_eq!(ran.status, 127, "{ran:?}");
        assert!(ran.stderr.starts_with("spawner: cannot ") && ran.stderr.contains(program), "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
}

#[test]
fn a_program_that_cannot_be_executed_is_126() {
    let folder = common::folder();
    let file = folder.path().join("not-executable");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    for program in [file.as_path(), folder.path()] {
        let ran = spawner(["run".as_ref(), "--".as_ref(), program.as_os_str()]);
        assert_eq!(ran.status, 126, "{ran:?}");
        assert!(ran.stderr.contains(program.to_str().unwrap()), "{ran:?}");
    }
}

#[test]
fn with_on_leak_fail_what_was_left_behind_is_123() {
    let mark = mark();
    let script = format!("sleep {mark} & exit 3");
    let ran = run_sh(&["--on-leak", "fail"], &script);
    assert_eq!(ran.status, 123, "{ran:?}");
    let ran = run_sh(&["--on-leak", "report"], &script);
    assert_eq!(ran.status, 3, "{ran:?}");
    let ran = run_sh(&["--on-leak", "fail"], "exit 3");
    assert_eq!((ran.status, ran.stderr.as_str()), (3, ""));
    assert_eq!(alive(&mark), [0; 0]);
}

#[test]
fn without_a_proof_on_leak_fail_is_123() {
    let ran = run_sh(&["--mechanism", "process-group", "--on-leak", "fail"], "exit 0");
    assert_eq!(ran.status, 123, "{ran:?}");
    assert!(ran.stderr.contains("this is no proof"), "{ran:?}");
}

#[test]
fn wrong_usage_is_125_and_starts_nothing() {
    for arguments in [&["run"][..], &["run", "--"], &["run", "--bakend", "x", "--", "true"], &["rnu"], &[]] {
        let ran = spawner(arguments);
        assert_eq!(ran.status, 125, "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}
