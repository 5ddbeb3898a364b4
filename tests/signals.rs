//! A signal to the program ends the task; the death of the program does, too.
#![cfg(unix)]

mod common;

use std::process::Stdio;
use std::time::Instant;

use common::{Ran, alive, collect, command, eventually, mark};
use rustix::process::{Pid, Signal, kill_process};

/// Starts a task, waits until its `sleep` is there, and sends the program these signals.
fn signalled(options: &[&str], script: &str, signals: &[Signal]) -> Ran {
    let mark = mark();
    let folder = common::folder();
    let asked = folder.path().join("asked");
    let script = script.replace("MARK", &mark).replace("ASKED", asked.to_str().unwrap());
    let mut command = command();
    command.arg("run").args(options).args(["--", "sh", "-c", &script]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let sleeps = || Some(()).filter(|()| !alive(&mark).is_empty());
    eventually(sleeps).expect("the task's sleep is there");
    // The program is our child and not waited for, so its pid is its own.
    let pid = Pid::from_child(&child);
    let began = Instant::now();
    for &signal in signals {
        kill_process(pid, signal).unwrap();
        if signals.len() > 1 {
            // A second signal that arrives before the first was heeded would be the same wish.
            eventually(|| Some(()).filter(|()| asked.exists())).expect("the task is asked");
        }
    }
    let ran = collect(child, began);
    let gone = || Some(()).filter(|()| alive(&mark).is_empty());
    eventually(gone).expect("nothing of the task is left");
    ran
}

#[test]
fn int_term_and_hup_end_the_task_by_asking() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let ran = signalled(&["--grace", "20s"], "sleep MARK & wait", &[signal]);
        assert_eq!((ran.status, ran.stderr.as_str()), (143, ""), "{signal:?}");
        assert!(ran.took.as_secs() < 10, "{ran:?}");
    }
}

#[test]
fn a_task_that_ends_well_when_asked_has_its_own_status() {
    let ran = signalled(&[], "trap 'exit 9' TERM; sleep MARK & wait", &[Signal::TERM]);
    assert_eq!((ran.status, ran.stderr.as_str()), (9, ""));
}

#[test]
fn a_second_signal_skips_the_grace() {
    let script = "trap 'touch ASKED' TERM; while :; do sleep MARK & wait; done";
    let ran = signalled(&["--grace", "1h"], script, &[Signal::TERM, Signal::INT]);
    assert_eq!(ran.status, 137, "{ran:?}");
}

#[test]
fn the_programs_death_ends_the_task() {
    for signal in [Signal::KILL, Signal::QUIT] {
        let ran = signalled(&[], "trap '' TERM HUP; sleep MARK & setsid sleep MARK; sleep MARK", &[signal]);
        assert_eq!(ran.status, -signal.as_raw(), "{ran:?}");
    }
}

#[test]
fn a_signal_that_our_parent_ignores_stays_ignored() {
    let mark = mark();
    let script =
        format!("trap '' HUP; exec {} run -- sh -c 'sleep {mark} & wait'", env!("CARGO_BIN_EXE_spawner"));
    let mut shell = common::other("sh");
    shell.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = shell.spawn().unwrap();
    let began = Instant::now();
    eventually(|| Some(()).filter(|()| !alive(&mark).is_empty())).unwrap();
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ran = collect(child, began);
    assert_eq!(ran.status, 143, "ended by SIGTERM alone: {ran:?}");
}
