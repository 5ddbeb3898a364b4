//! Tasks that outlive the program that started them, and how they are had again.
#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Instant;

use common::records::Records;
use common::{alive, eventually, mark, names};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Starts `sh -c SCRIPT`, and says its id.
#[track_caller]
fn start(records: &Records, options: &[&str], script: &str) -> String {
    let ran = records.spawner(["start"].iter().chain(options).chain(&["--", "sh", "-c", script]));
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let id = ran.stdout.strip_suffix('\n').unwrap();
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{ran:?}");
    id.to_owned()
}

/// What `ps` knows of a task.
fn shown(records: &Records, id: &str) -> Option<Value> {
    let document = records.spawner(["ps", "--format", "json"]).stdout;
    let document: Value = serde_json::from_str(&document).unwrap();
    let tasks = document["tasks"].as_array().unwrap();
    tasks.iter().find(|task| task["record"]["id"] == id).cloned()
}

#[track_caller]
fn until_state(records: &Records, id: &str, state: &str) {
    let there = || shown(records, id).filter(|task| task["state"] == state);
    assert!(eventually(there).is_some(), "it is never {state}: {:?}", shown(records, id));
}

/// Destroys what a test leaves, and sees that nothing stays.
#[track_caller]
fn destroy(records: &Records, asked: &str) {
    let ran = records.spawner(["destroy", asked]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{ran:?}");
    assert_eq!(names(records.path()), [""; 0].map(std::path::PathBuf::from), "files are left");
}

#[test]
fn a_started_task_goes_on_and_is_ended_whole() {
    let (records, mark) = (Records::new(), mark());
    let script = format!("setsid sleep {mark} & echo out; echo bad >&2; sleep {mark}");
    let id = start(&records, &["--name", "web"], &script);
    until_state(&records, &id, "running");
    let two = || Some(()).filter(|()| alive(&mark).len() == 2);
    assert!(eventually(two).is_some(), "both sleeps live on: {:?}", alive(&mark));
    let table = records.spawner(["ps"]).stdout;
    assert!(table.lines().nth(1) == Some("detached") && table.contains(&id), "{table}");
    let read = || Some(records.spawner(["logs", "web"])).filter(|ran| !ran.stderr.is_empty());
    let logs = eventually(read).unwrap();
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("out\n", "bad\n"));
    destroy(&records, "web");
    assert_eq!(alive(&mark), [0; 0]);
    assert!(shown(&records, &id).is_none());
}

#[test]
fn how_it_ended_is_kept_until_it_is_destroyed() {
    let records = Records::new();
    let id = start(&records, &["--env", "A=b"], "echo $A; exit 7");
    for _ in 0..2 {
        let ran = records.spawner(["wait", &id[..8]]);
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (7, "", ""), "{ran:?}");
    }
    until_state(&records, &id, "gone");
    assert_eq!(shown(&records, &id).unwrap()["exit"]["code"], 7);
    assert_eq!(records.spawner(["logs", &id]).stdout, "b\n");
    assert_eq!(records.spawner(["sweep"]).stdout, "nothing to do\n");
    destroy(&records, &id);
    assert_eq!(records.spawner(["wait", &id]).status, 125);
}

#[test]
fn a_wait_that_waits_long_enough_leaves_the_task_alone() {
    let (records, mark) = (Records::new(), mark());
    let id = start(&records, &[], &format!("sleep {mark}"));
    let ran = records.spawner(["wait", "--timeout", "200ms", &id]);
    assert_eq!((ran.status, ran.stderr.as_str()), (124, "spawner: the task goes on after 200ms\n"));
    until_state(&records, &id, "running");
    let mut waiting =
        records.command(["wait", &id]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    kill_process(Pid::from_child(&waiting), Signal::INT).unwrap();
    assert!(eventually(|| waiting.try_wait().unwrap()).is_some(), "Ctrl-C ends a wait");
    until_state(&records, &id, "running");
    destroy(&records, &id);
}

#[test]
fn a_wait_ends_with_the_task() {
    let records = Records::new();
    let folder = common::folder();
    let go = folder.path().join("go");
    let id =
        start(&records, &[], &format!("while ! [ -e {} ]; do sleep 0.01; done; kill -TERM $$", go.display()));
    let waiting =
        records.command(["wait", &id]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::fs::write(go, "").unwrap();
    let ran = common::collect(waiting, Instant::now());
    assert_eq!((ran.status, ran.stderr.as_str()), (143, ""));
    destroy(&records, &id);
}

#[test]
fn following_a_task_shows_all_that_it_writes_and_ends_with_it() {
    let records = Records::new();
    let id = start(&records, &[], "for i in 1 2 3; do echo $i; echo $i >&2; sleep 0.1; done; printf end");
    let ran = records.spawner(["logs", "--follow", &id]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "1\n2\n3\nend", "1\n2\n3\n"));
    destroy(&records, &id);
}

#[test]
fn what_cannot_be_started_is_on_no_record() {
    let records = Records::new();
    for (program, status) in [("no-such-program-anywhere", 127), ("/", 126)] {
        let ran = records.spawner(["start", "--name", "web", "--", program]);
        assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{ran:?}");
        let document = records.spawner(["ps"]).stdout;
        assert_eq!(document, "no task lives, and nothing is left of any\n");
    }
}

#[test]
fn a_name_is_free_again_when_its_task_was_destroyed() {
    let records = Records::new();
    for _ in 0..2 {
        start(&records, &["--name", "web"], "sleep 300");
        let ran = records.spawner(["start", "--name", "web", "--", "true"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (125, ""), "{ran:?}");
        destroy(&records, "web");
    }
}

#[test]
fn of_those_who_take_a_name_at_once_one_has_it() {
    let (records, mark) = (Records::new(), mark());
    let mut starts: Vec<_> = (0..8)
        .map(|_| {
            let mut command = records.command(["start", "--name", "web", "--", "sleep", &mark]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let good = starts
        .iter_mut()
        .map(|start| start.wait().unwrap())
        .filter(std::process::ExitStatus::success)
        .count();
    assert_eq!(good, 1);
    destroy(&records, "web");
}

#[test]
fn a_start_that_takes_long_keeps_no_other_name_waiting() {
    let records = Records::new();
    let held = spawner::Journal::at(records.path()).hold_name("slow", std::time::Duration::ZERO).unwrap();
    let id = start(&records, &["--name", "quick"], "true");
    assert!(held.is_some());
    drop(held);
    destroy(&records, &id);
}

/// A shell's variable would be empty, and the task nobody's.
#[test]
fn whose_id_cannot_be_told_is_told_elsewhere() {
    let records = Records::new();
    let mut shell = common::other("sh");
    shell.args(["-c", "exec \"$0\" start -- sleep 300 >/dev/full", env!("CARGO_BIN_EXE_spawner")]);
    let ran =
        common::finish(shell.env("XDG_CONFIG_HOME", "/nonexistent").env("SPAWNER_STATE_DIR", records.path()));
    assert_eq!(ran.status, 125, "{ran:?}");
    let id = ran.stderr.lines().find_map(|line| line.split("spawner destroy ").nth(1)).expect(&ran.stderr);
    destroy(&records, id);
}

/// What is on record elsewhere is found by whoever has the same configuration.
#[test]
fn a_state_folder_of_the_configuration_is_looked_into_by_all() {
    let (records, elsewhere) = (Records::new(), common::folder());
    let file = elsewhere.path().join("config.toml");
    let folder = elsewhere.path().join("state");
    let text = format!("[backend.local]\nkind = \"process\"\nstate_dir = \"{}\"\n", folder.display());
    std::fs::write(&file, text).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let asked = |words: &[&str]| records.spawner(words[..1].iter().chain(&config).chain(&words[1..]));
    let ran = asked(&["start", "--name", "web", "--", "sh", "-c", "echo out; exit 7"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(names(records.path()), [""; 0].map(std::path::PathBuf::from));
    assert_eq!(asked(&["wait", "web"]).status, 7);
    assert_eq!(asked(&["logs", "web"]).stdout, "out\n");
    assert!(asked(&["ps"]).stdout.contains("web"));
    let again = asked(&["start", "--name", "web", "--", "true"]);
    assert!(again.status == 125 && again.stderr.contains("so is"), "{again:?}");
    let ran = asked(&["destroy", "web"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(names(&folder), [""; 0].map(std::path::PathBuf::from), "files are left");
}

#[test]
fn several_are_destroyed_side_by_side() {
    let (records, mark) = (Records::new(), mark());
    let script = format!("trap '' TERM; echo ready; sleep {mark}; sleep {mark}");
    let ids = [(); 3].map(|()| start(&records, &[], &script));
    for id in &ids {
        let ready = || Some(()).filter(|()| records.spawner(["logs", id]).stdout == "ready\n");
        eventually(ready).unwrap();
    }
    let ran = records.spawner(["destroy", "--grace", "1s", &ids[0], &ids[1], &ids[2], &ids[0]]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.took.as_secs_f64() < 2.5, "one after the other takes three times the grace: {ran:?}");
    assert_eq!(alive(&mark), [0; 0]);
}

#[test]
fn a_second_signal_skips_the_grace() {
    let (records, mark) = (Records::new(), mark());
    let id = start(&records, &[], &format!("trap '' TERM; echo ready; sleep {mark}; sleep {mark}"));
    eventually(|| Some(()).filter(|()| records.spawner(["logs", &id]).stdout == "ready\n")).unwrap();
    let mut command = records.command(["destroy", "--grace", "1h", &id]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let listens = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        Some(()).filter(|()| u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0)
    };
    eventually(listens).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "spawner: it is being ended; once more skips its grace\n");
    kill_process(pid, Signal::INT).unwrap();
    let status = eventually(|| child.try_wait().unwrap()).expect("it does not wait for an hour");
    said.read_to_string(&mut line).unwrap();
    assert_eq!((status.code(), line.lines().count()), (Some(0), 1), "{line}");
    assert_eq!(alive(&mark), [0; 0]);
}

#[test]
fn destroying_writes_the_same_report_as_running() {
    let records = Records::new();
    let id = start(&records, &[], "sleep 300 & sleep 300");
    let ran = records.spawner(["destroy", &id, "--report", "-", "--report-format", "json"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let schema: Value = serde_json::from_str(&records.spawner(["schema", "report"]).stdout).unwrap();
    jsonschema::validate(&schema, &report).unwrap_or_else(|error| panic!("{error} in {report}"));
    assert_eq!((&report["task"]["id"], &report["cleanup"]["verdict"]), (&id.into(), &"clean".into()));
    assert_eq!(report["exit"]["signal"], 15);
}

#[test]
fn what_keeps_a_task_whose_harness_is_gone_sleeps() {
    let (records, mark) = (Records::new(), mark());
    let id = start(&records, &[], &format!("exec sleep {mark}"));
    until_state(&records, &id, "running");
    let leader = shown(&records, &id).unwrap()["record"]["leader"]["pid"].as_u64().unwrap();
    let stat = |pid: u64| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat[stat.rfind(')').unwrap() + 2..].split(' ').map(|field| field.parse().unwrap_or(0));
        fields.collect::<Vec<u64>>()
    };
    // Fields 4, 14 and 15 of proc_pid_stat(5): the parent, and clock ticks in user mode and in the kernel.
    let keeper = stat(leader)[1];
    let ticks = || stat(keeper)[11] + stat(keeper)[12];
    // It has done all that the end of its harness made it do once it is seen asleep.
    let state = || std::fs::read_to_string(format!("/proc/{keeper}/status")).unwrap();
    let asleep = || Some(()).filter(|()| state().contains("State:\tS"));
    assert!(eventually(asleep).is_some(), "the keeper does not come to rest");
    let (before, began) = (ticks(), Instant::now());
    while began.elapsed() < std::time::Duration::from_secs(1) {
        assert!(ticks() <= before + 2, "the keeper is busy with nothing: {} ticks", ticks() - before);
        std::thread::yield_now();
    }
    destroy(&records, &id);
}

#[test]
fn no_sweep_takes_a_detached_task_though_nobody_keeps_it() {
    let (records, mark) = (Records::new(), mark());
    let id = start(&records, &[], &format!("exec sleep {mark}"));
    until_state(&records, &id, "running");
    let leader = shown(&records, &id).unwrap()["record"]["leader"]["pid"].as_u64().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{leader}/status")).unwrap();
    let keeper = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(keeper).unwrap(), Signal::KILL).unwrap();
    let gone = || {
        Some(()).filter(|()| {
            alive(&mark).len() == 1 && !std::path::Path::new(&format!("/proc/{keeper}/exe")).exists()
        })
    };
    eventually(gone).expect("the keeper is gone, and nothing else");
    for elsewhere in [&records, &Records::new()] {
        assert_eq!(elsewhere.spawner(["sweep"]).status, 0);
        assert_eq!(alive(&mark).len(), 1, "it was ended");
    }
    // Without its keeper there is no proof.
    let ran = records.spawner(["destroy", &id]);
    assert_eq!((ran.status, ran.stdout.as_str()), (123, ""), "{ran:?}");
    assert_eq!(alive(&mark), [0; 0]);
    assert!(names(records.path()).is_empty());
}
