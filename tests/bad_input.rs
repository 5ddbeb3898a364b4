//! Bad input and bad hosts: a clear error, the documented status, and nothing left running or lying about.
#![cfg(unix)]

mod common;

use std::process::Command;

use common::{Ran, alive, command, finish, folder, mark, names, run_sh, spawner};

/// One failure of the program itself, told in one line that contains all of this.
#[track_caller]
fn failed(ran: &Ran, status: i32, words: &[&str]) {
    assert_eq!(ran.status, status, "{ran:?}");
    assert!(ran.stderr.starts_with("spawner: "), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is missing: {ran:?}");
    }
}

#[test]
fn a_bad_value_is_answered_with_a_good_one() {
    for (option, value, good) in [
        ("--timeout", "5", "`5s`"),
        ("--timeout", "soon", "`1m 30s`"),
        ("--grace", "1000000000h", "100 years"),
        ("--linger", "5 parsecs", "`200ms`"),
        ("--memory", "lots", "`512M`"),
        ("--cpus", "0", "`0.5`"),
        ("--cpus", "nan", "`0.5`"),
        ("--pids", "0", "1.."),
        ("--require", "prove-claen=guaranteed", "did you mean `prove-clean`?"),
        ("--require", "prove-clean=always", "`guaranteed`"),
        ("--report-format", "yaml", "json"),
        ("--on-leak", "ignore", "report, fail"),
    ] {
        let mut options = vec![option, value];
        if option == "--report-format" {
            options.extend(["--report", "-"]);
        }
        let ran = run_sh(&options, "echo started");
        failed(&ran, 125, &[option, good]);
        assert_eq!(ran.stdout, "", "it was started: {ran:?}");
    }
}

#[test]
fn an_unknown_backend_or_mechanism_is_answered_with_the_nearest() {
    failed(&run_sh(&["--backend", "proces"], ""), 125, &["`proces`", "did you mean `process`?"]);
    failed(&run_sh(&["--backend", "x"], ""), 125, &["`x`", "there is only `process`"]);
    failed(&run_sh(&["--mechanism", "cgroup"], ""), 125, &["`cgroup`", "did you mean `cgroup-v2`?"]);
    failed(&run_sh(&["--mechanism", "magic"], ""), 125, &["`magic`", "`subreaper`", "`process-group`"]);
}

#[test]
fn a_mistake_in_the_configuration_names_file_line_key_and_the_nearest() {
    let folder = folder();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, "[backend.local]\nkind = \"process\"\nmechansim = \"auto\"\n").unwrap();
    let place = format!("{}:3", file.display());
    let ran = spawner(["run", "--config", file.to_str().unwrap(), "--", "true"]);
    failed(&ran, 125, &[&place, "`mechansim`", "did you mean `mechanism`?"]);
    let ran = finish(command().env("SPAWNER_CONFIG", &file).args(["run", "--", "true"]));
    failed(&ran, 125, &[&place]);
}

#[test]
fn the_usual_place_of_the_configuration_is_read_if_it_is_there() {
    let folder = folder();
    let file = folder.path().join("spawner/config.toml");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let run = || {
        finish(command().env("XDG_CONFIG_HOME", folder.path()).args([
            "run",
            "--backend",
            "lab",
            "--",
            "true",
        ]))
    };
    failed(&run(), 125, &["`lab`", "no configuration file"]);
    std::fs::write(&file, "[backend.lab]\nkind = \"process\"\n").unwrap();
    assert_eq!(run().status, 0, "{:?}", run());
    std::fs::write(&file, "[[").unwrap();
    failed(&run(), 125, &[file.to_str().unwrap()]);
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    failed(&run_sh(&["--config", "/no/such/file"], ""), 125, &["read the configuration /no/such/file"]);
    failed(&run_sh(&["--config", "/"], ""), 125, &["read the configuration /", "directory"]);
}

#[test]
fn a_requirement_that_is_not_met_is_refused_with_the_reason() {
    let options = ["--mechanism", "process-group", "--require", "prove-clean=guaranteed"];
    let ran = run_sh(&options, "echo started");
    failed(&ran, 125, &["prove-clean", "guaranteed", "members can be missed", "subreaper"]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_limit_that_cannot_be_enforced_is_refused() {
    let ran = run_sh(&["--mechanism", "subreaper", "--memory", "64M"], "echo started");
    failed(&ran, 125, &["limit-memory", "cgroup-v2"]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_the_task_starts() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("file"), "").unwrap();
    for (report, word) in [
        (path("no/such/folder"), "No such file"),
        (path("file/below"), "Not a directory"),
        (path(""), "it is a folder"),
    ] {
        let ran = run_sh(&["--report", &report], "echo started");
        failed(&ran, 125, &["open the report", &report, word]);
        assert_eq!(ran.stdout, "", "it was started: {ran:?}");
    }
    assert_eq!(names(folder.path()), [std::path::Path::new("file")]);
}

#[test]
fn a_pipe_that_nobody_reads_is_refused_at_once() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ran = run_sh(&["--report", pipe.to_str().unwrap()], "echo started");
    failed(&ran, 125, &["start its reader first"]);
}

#[test]
fn a_log_that_cannot_be_written_costs_neither_status_nor_report() {
    let folder = folder();
    let report = folder.path().join("report");
    let mut shell = common::other("sh");
    let script = "exec \"$0\" run -v --report \"$1\" -- sh -c 'exit 7' 2>/dev/full";
    shell
        .args(["-c", script, env!("CARGO_BIN_EXE_spawner")])
        .arg(&report)
        .env("XDG_CONFIG_HOME", "/nonexistent");
    let ran = finish(&mut shell);
    assert_eq!((ran.status, ran.stdout.as_str()), (7, ""), "{ran:?}");
    assert!(report.exists(), "there is no report");
}

#[test]
fn a_disk_that_is_full_is_told_and_nothing_lies_about() {
    let ran = run_sh(&["--report", "/dev/full"], "exit 7");
    failed(&ran, 125, &["write the report /dev/full", "the disk is full"]);

    let folder = folder();
    let shown = folder.path().display();
    let program = env!("CARGO_BIN_EXE_spawner");
    // A file system of one page, filled, in a mount namespace of its own.
    let script = format!(
        "mount -t tmpfs -o size=4k none {shown} && {{ cat /dev/zero > {shown}/filler; \
         {program} run --report {shown}/r --report-format json -- true; echo status $?; ls -A {shown}; }}"
    );
    let ran = finish(common::other("unshare").args(["-rm", "sh", "-c", &script]));
    assert!(ran.stderr.contains("write the report") && ran.stderr.contains("the disk is full"), "{ran:?}");
    assert_eq!(ran.stdout, "status 125\nfiller\n", "{ran:?}");
}

#[test]
fn a_working_directory_that_is_not_there_is_named() {
    let ran = run_sh(&["--cwd", "/no/such/folder"], "echo started");
    failed(&ran, 125, &["/no/such/folder"]);
    let file = spawner(["run", "--cwd", "/etc/passwd", "--", "true"]);
    failed(&file, 125, &["/etc/passwd"]);
}

#[test]
fn an_assignment_without_a_name_or_a_value_is_refused() {
    for bad in ["NAME", "=value", ""] {
        failed(&run_sh(&["--env", bad], ""), 125, &["--env NAME=VALUE"]);
    }
}

#[test]
fn the_environment_and_the_folder_are_the_tasks() {
    let ran = run_sh(&["--cwd", "/", "--env", "A=b=c", "--env-clear"], "echo $A $PWD $HOME");
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "b=c /\n"), "{ran:?}");
}

#[test]
fn an_argv_near_the_limit_is_passed_on_and_beyond_it_refused() {
    // One argument may have 128 KiB with its end.
    let long = "x".repeat(128 * 1024 - 1);
    let ran = spawner(["run", "--", "sh", "-c", "echo ${#1}", "sh", &long]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "131071\n"), "{}", ran.stderr);
    // Our own exec takes as much; the task's has SPAWNER_TASK_ID besides.
    let pieces = vec!["y".repeat(100_000); 20];
    let ran = spawner(["run", "--", "sh", "-c", "echo $#"].into_iter().map(str::to_owned).chain(pieces));
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "19\n"), "{}", ran.stderr);
}

#[test]
fn no_descriptors_left_is_an_error_that_says_so() {
    let mark = mark();
    for limit in 4..12 {
        let script = format!(
            "ulimit -n {limit}; exec {} run --timeout 50ms -- sleep {mark}",
            env!("CARGO_BIN_EXE_spawner")
        );
        let ran = finish(common::other("sh").args(["-c", &script]));
        assert!(ran.status == 124 || ran.status == 125, "with {limit} descriptors: {ran:?}");
        if ran.status == 125 {
            failed(&ran, 125, &["ulimit -n"]);
        }
    }
    assert_eq!(alive(&mark), [0; 0]);
}

#[test]
fn a_reader_of_our_output_that_goes_away_is_no_panic() {
    let script = format!("{} capabilities | head -n 1", env!("CARGO_BIN_EXE_spawner"));
    let ran = finish(common::other("bash").args(["-c", &script]));
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    for arguments in ["capabilities", "schema", "completions bash", "doctor", "--help"] {
        let script = format!("{} {arguments} | true; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_spawner"));
        let ran = finish(common::other("bash").args(["-c", &script]));
        assert!(["0\n", "141\n"].contains(&ran.stdout.as_str()), "{arguments}: {ran:?}");
        assert_eq!(ran.stderr, "", "{arguments}");
    }
}
