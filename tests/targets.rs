//! How a task is named to `wait`, `logs` and `destroy`, and what is said where there is none.
#![cfg(unix)]

mod common;

use common::records::{Records, detached, ended, gone, living, started};
use spawner::{Exit, ProcessIdentity};

const COMMANDS: [&str; 3] = ["wait", "logs", "destroy"];

#[track_caller]
fn refused(records: &Records, command: &str, asked: &str, words: &[&str]) {
    let ran = records.spawner([command, "--", asked]);
    assert_eq!((ran.status, ran.stdout.as_str()), (125, ""), "{command} {asked}: {ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{command} {asked}: `{word}` is not in {}", ran.stderr);
    }
}

#[test]
fn an_id_its_first_digits_and_the_name_all_mean_the_task() {
    let records = Records::new();
    let exits = |code| [ended(Exit::Exited { code }), gone()];
    records.add(&detached("abcd000000000001", &["true"], Some("web")), &exits(7));
    records.add(&detached("abce000000000001", &["true"], None), &exits(8));
    for (asked, status) in [
        ("abcd000000000001", 7),
        ("ABCD000000000001", 7),
        ("abcd", 7),
        ("web", 7),
        ("abce", 8),
        ("abce0000000", 8),
    ] {
        let ran = records.spawner(["wait", asked]);
        assert_eq!((ran.status, ran.stderr.as_str()), (status, ""), "{asked}");
    }
}

#[test]
fn an_unknown_one_is_told_what_there_is() {
    let records = Records::new();
    for command in COMMANDS {
        refused(&records, command, "web", &["cannot find task `web`", "nothing is on record"]);
    }
    records.add(&detached("abcd000000000001", &["true"], Some("web")), &[]);
    records.add(&living("1234000000000001", &["true"]), &[]);
    for command in COMMANDS {
        refused(&records, command, "wbe", &["did you mean `web`?", "see `spawner ps`"]);
        refused(&records, command, "zzzz", &["`1234000000000001`, `web`", "see `spawner ps`"]);
        refused(&records, command, "abc", &["at least 4 digits"]);
        refused(&records, command, "abcd000000000001ff", &["cannot find task"]);
        refused(&records, command, "", &["cannot find task"]);
    }
}

#[test]
fn an_ambiguous_one_is_told_which_there_are() {
    let records = Records::new();
    records.add(&detached("abcd000000000001", &["true"], Some("web")), &[]);
    records.add(&detached("abcd000000000002", &["true"], Some("abcd0")), &[]);
    for command in COMMANDS {
        let both = ["abcd000000000001 (web)", "abcd000000000002 (abcd0)"];
        refused(&records, command, "abcd", &both);
        // One by its name, one by its digits: nobody knows which was meant.
        refused(&records, command, "abcd0", &both);
    }
}

#[test]
fn of_a_damaged_record_one_is_told_the_file() {
    let records = Records::new();
    std::fs::write(records.file("abcd000000000001"), "hello\n").unwrap();
    for command in COMMANDS {
        refused(&records, command, "abcd", &["abcd000000000001.task", "kept for you to look at"]);
    }
}

#[test]
fn a_task_of_another_host_or_container_is_left_alone() {
    let records = Records::new();
    let mut far = detached("abcd000000000001", &["true"], None);
    far.host.machine = "0123@far".into();
    let mut boxed = detached("abcd100000000001", &["true"], None);
    boxed.host.namespaces = "pid:[1]".into();
    for opening in [far, boxed] {
        let file = records.add(&opening, &[started(ProcessIdentity::own())]);
        for command in ["wait", "destroy"] {
            let id = opening.record.id.to_string();
            refused(&records, command, &id, &["cannot reach task", "ask there"]);
        }
        assert!(file.exists());
    }
}

#[test]
fn one_misspelt_name_of_several_destroys_none() {
    let records = Records::new();
    let file = records.add(&detached("abcd000000000001", &["true"], Some("web")), &[]);
    let ran = records.spawner(["destroy", "web", "wbe"]);
    assert_eq!(ran.status, 125, "{ran:?}");
    assert!(file.exists());
}

#[test]
fn a_name_is_a_plain_word_and_for_one_task() {
    let records = Records::new();
    records.add(&detached("abcd000000000001", &["true"], Some("web")), &[]);
    let ran = records.spawner(["start", "--name", "web", "--", "true"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (125, ""), "{ran:?}");
    assert!(ran.stderr.contains("so is abcd000000000001 (web)"), "{ran:?}");
    for bad in ["", "a b", "-x", "a/b"] {
        let ran = records.spawner(["start", &format!("--name={bad}"), "--", "true"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (125, ""), "{ran:?}");
        assert!(ran.stderr.contains("1 to 64 letters"), "{ran:?}");
    }
    assert_eq!(common::names(records.path()).len(), 1, "nothing was started");
}

#[test]
fn wait_says_how_the_task_ended_as_run_does() {
    let records = Records::new();
    for (id, exit, status, said) in [
        ("aaaa000000000001", Exit::Exited { code: 3 }, 3, ""),
        ("aaaa000000000002", Exit::Signalled { signal: 15, core: false }, 143, ""),
        ("aaaa000000000003", Exit::OutOfMemory, 137, "its memory ran out"),
        ("aaaa000000000004", Exit::Lost { why: "a reason".into() }, 125, "a reason"),
    ] {
        records.add(&detached(id, &["true"], None), &[ended(exit)]);
        let ran = records.spawner(["wait", id]);
        assert_eq!((ran.status, ran.stderr.is_empty()), (status, said.is_empty()), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
}
