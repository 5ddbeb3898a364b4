//! The journal, on folders in every state.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use spawner_core::journal::{Account, Found, Note, Page, Whose};
use spawner_core::{Exit, Journal, ProcessIdentity, TaskId, TaskRecord, TaskSpec};

use tempfile::TempDir as Folder;

fn record() -> TaskRecord {
    TaskRecord::of(TaskId::random(), "fake", &TaskSpec::new(["x"]))
}

/// A journal with one open record.
fn one() -> (Folder, Journal, TaskRecord, Page) {
    let folder = Folder::new().unwrap();
    let journal = Journal::at(folder.path().join("made/on/demand"));
    let record = record();
    let page = journal.open("fake", &record, serde_json::json!({"a": 1})).unwrap();
    (folder, journal, record, page)
}

fn account(journal: &Journal) -> Account {
    match journal.read().unwrap().pop() {
        Some(Found::Account(account)) => *account,
        other => panic!("{other:?}"),
    }
}

/// Rewrites a record as if somebody else had written it.
fn forge(page: &Page, change: impl FnOnce(&mut serde_json::Value)) {
    let text = fs::read_to_string(page.path()).unwrap();
    let mut opening: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    change(&mut opening);
    fs::write(page.path(), format!("{opening}\n")).unwrap();
}

fn ended(code: i32) -> Note {
    Note::Ended { exit: Exit::Exited { code }, at: "2020-01-01T00:00:00Z".into() }
}

#[test]
fn a_record_says_what_was_written_until_it_is_closed() {
    let (_folder, journal, record, page) = one();
    page.note(&ended(3)).unwrap();
    let account = account(&journal);
    assert_eq!((account.record(), account.exit()), (record.clone(), Some(&Exit::Exited { code: 3 })));
    assert_eq!((account.whose(), account.is_for_a_sweep()), (Whose::Living, false));
    page.close().unwrap();
    page.close().unwrap();
    assert!(journal.read().unwrap().is_empty() && journal.find(record.id).unwrap().is_none());
    assert!(page.note(&ended(3)).is_err(), "a closed record was written to");
    assert!(!page.path().exists());
}

#[test]
fn a_line_that_was_cut_short_takes_no_other_along() {
    let (_folder, journal, _, page) = one();
    let torn = fs::read_to_string(page.path()).unwrap() + "{\"ended\":{\"exit\"";
    fs::write(page.path(), torn).unwrap();
    assert_eq!(account(&journal).exit(), None);
    page.note(&ended(4)).unwrap();
    assert_eq!(account(&journal).exit(), Some(&Exit::Exited { code: 4 }));
}

#[test]
fn what_is_no_record_is_damaged_and_kept() {
    let (_folder, journal, record, page) = one();
    let whole = fs::read(page.path()).unwrap();
    let damages: [&dyn Fn(); 5] = [
        &|| fs::write(page.path(), "").unwrap(),
        &|| fs::write(page.path(), &whole[..whole.len() / 2]).unwrap(),
        &|| fs::write(page.path(), b"\xff\x00\n").unwrap(),
        &|| forge(&page, |opening| opening["schema"] = "spawner.journal/2".into()),
        &|| forge(&page, |opening| opening["record"]["id"] = TaskId::random().to_string().into()),
    ];
    for damage in damages {
        damage();
        assert!(matches!(journal.read().unwrap()[..], [Found::Damaged { .. }]));
        assert!(journal.find(record.id).is_err() && page.path().exists());
        fs::write(page.path(), &whole).unwrap();
    }
}

#[test]
fn whose_it_is_depends_on_all_of_the_identity() {
    let (_folder, journal, _, page) = one();
    let whole = fs::read(page.path()).unwrap();
    let forged = |change: &dyn Fn(&mut serde_json::Value)| {
        fs::write(page.path(), &whole).unwrap();
        forge(&page, change);
        (account(&journal).whose(), account(&journal).is_for_a_sweep())
    };
    let harness = |field: &'static str, value: serde_json::Value| {
        move |opening: &mut serde_json::Value| opening["harness"]["process"][field] = value.clone()
    };
    assert_eq!(forged(&|_| {}), (Whose::Living, false));
    // Its pid is another process's by now.
    assert_eq!(forged(&harness("start_time", 1.into())), (Whose::Dead, true));
    // It has ended, and this process still knows it: a zombie, and on Windows an open handle.
    let own = std::env::current_exe().unwrap();
    let mut zombie = Command::new(own).arg("--list").stdout(Stdio::null()).spawn().unwrap();
    let pid = zombie.id();
    while ProcessIdentity::of(pid).is_some() {
        std::thread::yield_now();
    }
    assert_eq!(forged(&harness("pid", pid.into())), (Whose::Dead, true));
    zombie.wait().unwrap();
    let host = |field: &'static str, value: &'static str| {
        move |opening: &mut serde_json::Value| opening["host"][field] = value.into()
    };
    assert_eq!(forged(&host("boot_id", "of another boot")), (Whose::OtherBoot, true));
    assert_eq!(forged(&host("boot_id", "")), (Whose::OtherHost, false));
    assert_eq!(forged(&host("machine", "another")), (Whose::OtherHost, false));
    assert_eq!(forged(&host("namespaces", "pid:[1]")), (Whose::OtherHost, false));
    // A detached task is nobody's to sweep, also over a reboot.
    for (field, value) in [("boot_id", "of another boot"), ("machine", "another")] {
        let detached = |opening: &mut serde_json::Value| {
            opening["record"]["lifetime"] = "detached".into();
            opening["host"][field] = value.into();
        };
        assert!(!forged(&detached).1);
    }
}

#[tokio::test]
async fn a_claim_is_held_by_one_and_only_of_the_file_that_is_there() {
    let (_folder, journal, record, page) = one();
    let held = page.claim(Duration::ZERO).await.unwrap().expect("it is there");
    assert!(page.claim(Duration::from_millis(50)).await.is_err());
    let waiting = tokio::spawn({
        let page = page.clone();
        async move { page.claim(Duration::from_secs(10)).await }
    });
    // It runs until it waits for the file that it has opened, which makes room for another of the same name.
    tokio::task::yield_now().await;
    page.close().unwrap();
    journal.open("fake", &record, serde_json::Value::Null).unwrap();
    drop(held);
    assert!(waiting.await.unwrap().unwrap().is_none(), "the right to a file that is gone was given");
    assert!(page.claim(Duration::ZERO).await.unwrap().is_some());
    page.close().unwrap();
    assert!(page.claim(Duration::ZERO).await.unwrap().is_none());
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_reads_as_empty() {
    let folder = Folder::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let journal = Journal::at(folder.path().join("file/below"));
    assert!(journal.trouble().is_none());
    assert!(journal.open("fake", &record(), serde_json::Value::Null).is_err());
    let below = journal.folder().unwrap().display().to_string();
    assert!(journal.trouble().unwrap().contains(&below), "{:?}", journal.trouble());
    assert!(Journal::at(folder.path().join("nowhere")).read().unwrap().is_empty());
    assert!(Journal::none().open("fake", &record(), serde_json::Value::Null).is_err());
}

#[test]
#[ignore = "run by the test below, to be killed"]
fn a_writer() {
    let journal = Journal::at(std::env::var("TEST_FOLDER").unwrap());
    println!("\nready");
    for _ in 0..1_000_000 {
        let page = journal.open("fake", &record(), serde_json::Value::Null).unwrap();
        page.note(&ended(0)).unwrap();
    }
}

#[test]
fn a_writer_that_is_killed_leaves_whole_records_only() {
    for round in 0..20u32 {
        let folder = Folder::new().unwrap();
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "a_writer", "--nocapture"])
            .env("TEST_FOLDER", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "ready"));
        let count = || fs::read_dir(folder.path()).unwrap().count();
        while count() < 3 + usize::try_from(round).unwrap() {}
        writer.kill().unwrap();
        writer.wait().unwrap();
        let journal = Journal::at(folder.path());
        let found = journal.read().unwrap();
        assert!(found.len() >= 2);
        for found in found {
            let Found::Account(account) = found else { panic!("{found:?}") };
            assert_eq!(account.whose(), Whose::Dead);
        }
    }
}

/// Where the journal is for a process with this environment, and none of the other variables that count.
fn located(set: &[(&str, &str)]) -> Option<PathBuf> {
    let mut own = Command::new(std::env::current_exe().unwrap());
    own.args(["--ignored", "--exact", "tells_where_it_is", "--nocapture"]);
    for name in ["SPAWNER_STATE_DIR", "XDG_STATE_HOME", "HOME", "LOCALAPPDATA", "USERPROFILE"] {
        own.env_remove(name);
    }
    let ran = own.envs(set.iter().copied()).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    let json = text.lines().find_map(|line| line.strip_prefix("folder ")).unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
#[ignore = "run by the tests of the place, in another environment"]
fn tells_where_it_is() {
    let journal = Journal::locate();
    println!("\nfolder {}", serde_json::to_string(&journal.folder()).unwrap());
}
