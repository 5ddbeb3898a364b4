//! The report is the documented document, and is written atomically.
#![cfg(unix)]

mod common;

use std::os::unix::fs::{MetadataExt as _, symlink};

use common::{folder, mark, names, run_sh, spawner};
use serde_json::Value;

/// Runs `script`, and gives its exit status and its report, checked against the exported schema.
fn reported(options: &[&str], script: &str) -> (i32, Value) {
    let folder = folder();
    let path = folder.path().join("report.json");
    let mut all = vec!["--report", path.to_str().unwrap(), "--report-format", "json"];
    all.extend(options);
    let ran = run_sh(&all, script);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(names(folder.path()), [std::path::Path::new("report.json")]);
    let report = serde_json::from_str(&text).unwrap();
    check(&report);
    (ran.status, report)
}

/// The report is what the types say, and what the exported schema says.
fn check(report: &Value) {
    let typed: spawner::Report = serde_json::from_value(report.clone()).unwrap();
    assert_eq!(typed.schema, "spawner.report/1");
    let schema: Value = serde_json::from_str(&spawner(["schema", "report"]).stdout).unwrap();
    jsonschema::draft202012::validate(&schema, report).unwrap_or_else(|error| panic!("{error}: {report}"));
}

#[test]
fn a_report_says_how_the_task_ended() {
    for (script, options, status, exit) in [
        ("exit 7", &[][..], 7, serde_json::json!({"kind": "exited", "code": 7, "signal": null})),
        ("kill -TERM $$", &[], 143, serde_json::json!({"kind": "signalled", "code": null, "signal": 15})),
        (
            "sleep 60",
            &["--timeout", "100ms"],
            124,
            serde_json::json!({"kind": "timed-out", "code": null, "signal": null}),
        ),
    ] {
        let (code, report) = reported(options, script);
        assert_eq!((code, &report["exit"]), (status, &exit));
        assert_eq!(report["task"]["argv"], serde_json::json!(["sh", "-c", script]));
        assert_eq!(report["task"]["backend"], "process");
        assert_eq!(report["cleanup"]["verdict"], "clean");
    }
}

#[test]
fn a_report_names_what_was_left_behind_and_its_fate() {
    let (status, report) = reported(&[], &format!("sleep {} & exit 0", mark()));
    assert_eq!(status, 0);
    let cleanup = &report["cleanup"];
    assert_eq!(
        (cleanup["verdict"].as_str(), cleanup["left_behind_total"].as_u64()),
        (Some("clean"), Some(1))
    );
    let left = &cleanup["left_behind"][0];
    assert_eq!((left["kind"].as_str(), left["name"].as_str()), (Some("process"), Some("sleep")));
    left["started"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let resources = cleanup["resources"].as_array().unwrap();
    let same = resources.iter().find(|resource| resource["id"] == left["id"]).expect("it has a fate");
    assert!(["terminated", "killed"].contains(&same["fate"].as_str().unwrap()), "{same}");
    assert_eq!(same["started"], left["started"]);
}

#[test]
fn a_report_to_standard_output_comes_after_the_tasks_own() {
    let ran = run_sh(&["--report", "-", "--report-format", "json"], "echo mine");
    let (first, rest) = ran.stdout.split_once('\n').unwrap();
    assert_eq!(first, "mine");
    check(&serde_json::from_str(rest).unwrap());
}

#[test]
fn a_report_for_people_names_the_verdict() {
    let ran = run_sh(&["--report", "-"], "exit 3");
    for line in ["task:        sh -c 'exit 3'", "exit:        exited with status 3", "clean-up:    clean"] {
        assert!(ran.stdout.lines().any(|own| own.starts_with(line)), "`{line}` is missing: {ran:?}");
    }
}

#[test]
fn the_file_is_replaced_whole_and_a_link_to_it_stays_a_link() {
    let folder = folder();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, "old").unwrap();
    let before = std::fs::metadata(&file).unwrap().ino();
    symlink(&file, &link).unwrap();
    // While the task runs, the old one is there.
    let ran = run_sh(&["--report", link.to_str().unwrap()], &format!("cat {}", file.display()));
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "old"), "{ran:?}");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_ne!(std::fs::metadata(&file).unwrap().ino(), before);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("task: "));
    assert_eq!(names(folder.path()).len(), 2);
}

#[test]
fn devices_and_open_files_are_written_as_they_are() {
    let ran = run_sh(&["--report", "/dev/stderr"], "echo task >&2");
    assert!(ran.stderr.starts_with("task\ntask: "), "{ran:?}");

    let folder = folder();
    let log = folder.path().join("log");
    let script = format!(
        "{} run --report /dev/fd/5 -- sh -c 'echo one >&5' 5>{}",
        env!("CARGO_BIN_EXE_spawner"),
        log.display(),
    );
    let ran = common::finish(common::other("bash").args(["-c", &script]));
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(std::fs::read_to_string(&log).unwrap().starts_with("one\ntask: "));
}

#[test]
fn nothing_is_written_where_the_task_could_not_start() {
    let folder = folder();
    let path = folder.path().join("report");
    let ran = spawner(["run", "--report", path.to_str().unwrap(), "--", "/no/such/program"]);
    assert_eq!(ran.status, 127, "{ran:?}");
    assert!(names(folder.path()).is_empty());
}
