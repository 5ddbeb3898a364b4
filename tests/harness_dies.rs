//! The program is a harness; it dies, and what then becomes of its task and of its record.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::Instant;

use common::records::Records;
use common::{alive, eventually, mark, names};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;
use spawner::proc::Stat;

/// `spawner run` of a task of two processes, which are there.
fn running(records: &Records, options: &[&str], mark: &str) -> Child {
    let script = format!("setsid sleep {mark} & sleep {mark}; wait");
    let mut command = records.command(["run"].iter().chain(options).chain(&["--", "sh", "-c", &script]));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| Some(()).filter(|()| alive(mark).len() == 2)).expect("both sleeps are there");
    child
}

fn tasks(records: &Records) -> Vec<Value> {
    let document = records.spawner(["ps", "--format", "json"]).stdout;
    let document: Value = serde_json::from_str(&document).unwrap();
    document["tasks"].as_array().unwrap().clone()
}

/// The program and its helpers: what runs the same executable below it.
fn helpers(program: u32) -> Vec<u32> {
    let executable = |pid: u32| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let own = executable(program);
    let mut found = vec![program];
    for index in 0.. {
        let Some(&pid) = found.get(index) else { break };
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
        found.extend(children.filter(|&child| executable(child) == own));
    }
    found
}

#[test]
fn a_living_harness_is_shown_with_its_task_and_left_alone_by_a_sweep() {
    let (records, mark) = (Records::new(), mark());
    let mut child = running(&records, &[], &mark);
    // Its processes are there before that is on record.
    let runs = || tasks(&records).into_iter().find(|task| task["state"] == "running");
    assert!(eventually(runs).is_some(), "{:?}", tasks(&records));
    let table = records.spawner(["ps"]).stdout;
    let heading = format!("harness {} spawner (running)", child.id());
    assert_eq!(table.lines().nth(1), Some(heading.as_str()), "{table}");
    assert_eq!(records.spawner(["sweep"]).stdout, "nothing to do\n");
    assert_eq!(alive(&mark).len(), 2, "it was touched");
    // Destroyed by somebody else: its harness sees it end.
    let id = tasks(&records)[0]["record"]["id"].as_str().unwrap().to_owned();
    let ran = records.spawner(["destroy", &id]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(alive(&mark), [0; 0]);
    let status = eventually(|| child.try_wait().unwrap()).expect("the harness goes on to its end");
    assert_eq!(status.code(), Some(143));
    assert_eq!(tasks(&records), [Value::Null; 0]);
}

#[test]
fn a_harness_that_is_killed_leaves_nothing_and_no_record() {
    let (records, mark) = (Records::new(), mark());
    let mut child = running(&records, &[], &mark);
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = Instant::now();
    eventually(|| Some(()).filter(|()| alive(&mark).is_empty())).expect("the task is ended");
    assert!(killed.elapsed().as_secs_f64() < 1.0, "it took {:?}", killed.elapsed());
    eventually(|| Some(()).filter(|()| tasks(&records).is_empty())).expect("it is off the record");
    assert_eq!(records.spawner(["sweep"]).stdout, "nothing to do\n");
}

/// A task whose harness and helpers were all killed at once.
fn left_over(records: &Records, mark: &str) {
    // By its control group, a sweep of another test, with another state folder, would find it too.
    let mut child = running(records, &["--mechanism", "subreaper"], mark);
    let mut stopped: BTreeMap<u32, OwnedFd> = BTreeMap::new();
    // All stopped before the first is killed: nobody gets to end anything. While one runs, the kernel's list of
    // children may miss one, and one may be made (proc_pid_task_children(5)).
    let all_stopped = || {
        let fresh: Vec<_> =
            helpers(child.id()).into_iter().filter(|pid| !stopped.contains_key(pid)).collect();
        // Keepers before the supervisor before the program.
        for &pid in fresh.iter().rev() {
            let handle = pidfd_open(Pid::from_raw(pid.cast_signed()).unwrap(), PidfdFlags::empty()).ok()?;
            pidfd_send_signal(&handle, Signal::STOP).unwrap();
            stopped.insert(pid, handle);
        }
        let at_rest = |&pid: &u32| Stat::of(pid.cast_signed()).is_ok_and(|stat| stat.state == b'T');
        Some(()).filter(|()| fresh.is_empty() && stopped.keys().all(at_rest))
    };
    eventually(all_stopped).expect("the harness and its helpers are stopped");
    assert!(stopped.len() > 1, "there are helpers: {stopped:?}");
    for handle in stopped.values().rev() {
        pidfd_send_signal(handle, Signal::KILL).unwrap();
    }
    child.wait().unwrap();
    assert_eq!(alive(mark).len(), 2);
}

#[test]
fn the_next_harness_ends_what_is_left_unless_it_is_told_not_to() {
    let (records, mark) = (Records::new(), mark());
    left_over(&records, &mark);
    let config = records.path().join("config.toml");
    std::fs::write(&config, "default = \"here\"\n[backend.here]\nkind = \"process\"\nsweep = false\n")
        .unwrap();
    let ran = records.spawner([
        "run".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
        "--".as_ref(),
        "true".as_ref(),
    ]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(alive(&mark).len(), 2, "it was told not to");
    std::fs::remove_file(&config).unwrap();
    let ran = records.spawner(["run", "--", "true"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(alive(&mark), [0; 0]);
    assert_eq!(names(records.path()).len(), 0, "{:?}", names(records.path()));
}

#[test]
fn what_is_left_when_the_helpers_are_killed_too_is_swept() {
    let (records, mark) = (Records::new(), mark());
    left_over(&records, &mark);
    let left = || tasks(&records).into_iter().find(|task| task["state"] == "left");
    let task = eventually(left).expect("it is on record");
    assert_eq!(alive(&mark).len(), 2);
    let table = records.spawner(["ps"]).stdout;
    assert!(table.contains("spawner (dead; `spawner sweep` ends what is left of it)"), "{table}");

    let ran = records.spawner(["sweep"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stdout.starts_with(task["record"]["id"].as_str().unwrap()), "{ran:?}");
    assert!(ran.stdout.contains(": killed sh (") && ran.stdout.contains("sleep ("), "{ran:?}");
    assert!(ran.stdout.ends_with("resolved 1 task of 1 dead harness\n"), "{ran:?}");
    assert_eq!(alive(&mark), [0; 0]);
    assert_eq!(records.spawner(["sweep"]).stdout, "nothing to do\n");
    assert_eq!(names(records.path()).len(), 0, "{:?}", names(records.path()));
}

#[test]
fn two_sweeps_at_the_same_time_do_not_disturb_each_other() {
    let (records, mark) = (Records::new(), mark());
    left_over(&records, &mark);
    let sweep = || {
        let mut command = records.command(["sweep"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let sweeps = [sweep(), sweep()].map(|child| common::collect(child, Instant::now()));
    assert_eq!(alive(&mark), [0; 0]);
    for ran in &sweeps {
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    }
    assert!(sweeps.iter().any(|ran| ran.stdout.ends_with("of 1 dead harness\n")), "{sweeps:?}");
    assert_eq!(names(records.path()).len(), 0, "{:?}", names(records.path()));
}

#[test]
fn what_a_dead_harness_left_can_be_destroyed_by_its_id() {
    let (records, mark) = (Records::new(), mark());
    left_over(&records, &mark);
    let id = tasks(&records)[0]["record"]["id"].as_str().unwrap().to_owned();
    let ran = records.spawner(["destroy", "--grace", "0", &id]);
    // Nobody watched it, so there is no proof.
    assert_eq!((ran.status, ran.stdout.as_str()), (123, ""), "{ran:?}");
    assert!(ran.stderr.contains("this is no proof"), "{ran:?}");
    assert_eq!(alive(&mark), [0; 0]);
    assert_eq!(records.spawner(["sweep"]).stdout, "nothing to do\n");
}

#[test]
fn where_there_can_be_no_record_run_says_so_and_start_refuses() {
    let folder = common::folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("state");
    let run = |arguments: &[&str]| {
        common::finish(common::command().args(arguments).env("SPAWNER_STATE_DIR", &below))
    };
    let ran = run(&["run", "--", "sh", "-c", "echo hello; exit 7"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (7, "hello\n"), "{ran:?}");
    assert!(ran.stderr.starts_with("spawner: cannot write the journal"), "{ran:?}");
    assert!(ran.stderr.contains("SPAWNER_STATE_DIR"), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    let ran = run(&["start", "--", "true"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (125, ""), "{ran:?}");
    assert!(ran.stderr.contains("SPAWNER_STATE_DIR"), "{ran:?}");
    let doctor = run(&["doctor"]);
    let line = format!("limited state folder   {} cannot be written to: ", below.display());
    assert!(doctor.stdout.contains(&line), "{}", doctor.stdout);
}
