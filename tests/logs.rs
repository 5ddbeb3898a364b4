//! `spawner logs` shows what was kept, and follows what is written.
#![cfg(unix)]

mod common;

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use common::records::{Records, detached, ended, gone, living, started};
use spawner::journal::{Note, Page};
use spawner::{Exit, ProcessIdentity};

const ID: &str = "abcd000000000001";

/// A detached task on record that runs, and the files that keep what it writes.
fn running(records: &Records) -> (PathBuf, PathBuf) {
    let mut task = detached(ID, &["server"], Some("web"));
    let page = Page::at(records.file(ID));
    let (stdout, stderr) = (page.beside("stdout"), page.beside("stderr"));
    task.record.logs.stdout = Some(stdout.clone());
    task.record.logs.stderr = Some(stderr.clone());
    records.add(&task, &[started(ProcessIdentity::own())]);
    (stdout, stderr)
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn note(records: &Records, note: &Note) {
    Page::at(records.file(ID)).note(note).unwrap();
}

#[test]
fn each_stream_goes_where_it_went() {
    let records = Records::new();
    let (stdout, stderr) = running(&records);
    let ran = records.spawner(["logs", "web"]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    append(&stdout, "one\n\x1b[1mtwo");
    append(&stderr, "bad\n");
    let ran = records.spawner(["logs", "web"]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "one\n\x1b[1mtwo", "bad\n"));
}

#[test]
fn a_task_whose_output_went_to_its_harness_has_none() {
    let records = Records::new();
    records.add(&living(ID, &["true"]), &[]);
    let ran = records.spawner(["logs", ID]);
    assert_eq!(ran.status, 125, "{ran:?}");
    assert!(ran.stderr.contains("it went to its harness"), "{ran:?}");
}

/// Starts following, and reads its first line.
fn follow(records: &Records, stdout: &Path) -> std::process::Child {
    append(stdout, "1\n");
    let mut command = records.command(["logs", "--follow", "web"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 2];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"1\n");
    child
}

#[test]
fn following_ends_with_the_task_and_loses_nothing() {
    let records = Records::new();
    let (stdout, stderr) = running(&records);
    let child = follow(&records, &stdout);
    append(&stdout, "2\n");
    append(&stderr, "bad\n");
    append(&stdout, "last, without an end");
    note(&records, &ended(Exit::Exited { code: 3 }));
    note(&records, &gone());
    let ran = common::collect(child, Instant::now());
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "2\nlast, without an end"));
    assert_eq!(ran.stderr, "bad\n");
}

#[test]
fn following_ends_also_where_something_of_the_task_stays_and_is_quiet() {
    let records = Records::new();
    let (stdout, _) = running(&records);
    let child = follow(&records, &stdout);
    note(&records, &ended(Exit::Exited { code: 0 }));
    let ran = common::collect(child, Instant::now());
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
}

#[test]
fn following_ends_when_the_task_is_destroyed() {
    let records = Records::new();
    let (stdout, _) = running(&records);
    let child = follow(&records, &stdout);
    Page::at(records.file(ID)).close().unwrap();
    assert_eq!(common::collect(child, Instant::now()).status, 0);
}

#[test]
fn following_ends_silently_when_nobody_reads_any_more() {
    let records = Records::new();
    let (stdout, _) = running(&records);
    let mut child = follow(&records, &stdout);
    // The task writes nothing more, so only a look at the pipe tells.
    drop(child.stdout.take());
    let status = common::eventually(|| child.try_wait().unwrap()).expect("it ends");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(141), ""));
}
