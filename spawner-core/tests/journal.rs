//! The journal, on folders in every state.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
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

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Runs an ignored test of this file in a mount namespace of its own, with `script` before it.
fn privately(script: &str, test: &str) {
    let script = format!("set -e\n{script}\nexec \"$0\" --ignored --exact {test} --nocapture");
    let mut unshare = Command::new("unshare");
    unshare
        .args(["-m", "--propagation", "private", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap());
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root can mount");
    }
    let ran = unshare.output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

#[test]
fn a_record_is_for_its_user_alone_and_says_what_was_written() {
    let (_folder, journal, record, page) = one();
    assert_eq!(mode(journal.folder().unwrap()), 0o700);
    assert_eq!(mode(page.path()), 0o600);
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
    let (folder, journal, record, page) = one();
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
    // A link, and a pipe whose reader would wait for ever.
    let aside = folder.path().join("aside");
    fs::rename(page.path(), &aside).unwrap();
    symlink(&aside, page.path()).unwrap();
    assert!(matches!(journal.read().unwrap()[..], [Found::Damaged { .. }]));
    fs::remove_file(page.path()).unwrap();
    assert!(Command::new("mkfifo").arg(page.path()).status().unwrap().success());
    assert!(matches!(journal.read().unwrap()[..], [Found::Damaged { .. }]));
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
    let mut zombie = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
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
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(page.path(), Some(65534), None).unwrap();
        assert_eq!(forged(&harness("start_time", 1.into())), (Whose::OtherUser, false));
    } else {
        eprintln!("skipped: only root can give a file to another user");
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
    while !waiting.is_finished() {
        // It waits for the file that it has opened, which makes room for another of the same name.
        if open_twice(page.path()) {
            page.close().unwrap();
            journal.open("fake", &record, serde_json::Value::Null).unwrap();
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(held);
    assert!(waiting.await.unwrap().unwrap().is_none(), "the right to a file that is gone was given");
    assert!(page.claim(Duration::ZERO).await.unwrap().is_some());
    page.close().unwrap();
    assert!(page.claim(Duration::ZERO).await.unwrap().is_none());
}

/// Whether this process has the file open twice.
fn open_twice(path: &Path) -> bool {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    open.filter(|fd| fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(|to| to == path)).count() >= 2
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_reads_as_empty() {
    let folder = Folder::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let journal = Journal::at(folder.path().join("file/below"));
    assert!(journal.trouble().is_none());
    assert!(journal.open("fake", &record(), serde_json::Value::Null).is_err());
    assert!(journal.trouble().unwrap().contains("file/below"), "{:?}", journal.trouble());
    assert!(Journal::at(folder.path().join("nowhere")).read().unwrap().is_empty());
    assert!(Journal::none().open("fake", &record(), serde_json::Value::Null).is_err());
    privately("mount -t tmpfs -o ro none /mnt", "in_a_folder_that_is_full_or_read_only");
    privately(
        "mount -t tmpfs -o size=4k none /mnt; cat /dev/zero > /mnt/full || true",
        "in_a_folder_that_is_full_or_read_only",
    );
}

#[test]
#[ignore = "run by the test above, with such a folder"]
fn in_a_folder_that_is_full_or_read_only() {
    let journal = Journal::at("/mnt");
    let record = record();
    assert!(journal.open("fake", &record, serde_json::Value::Null).is_err());
    assert!(journal.trouble().is_some());
    assert!(journal.read().unwrap().is_empty() && journal.find(record.id).unwrap().is_none());
    let left = fs::read_dir("/mnt").unwrap().filter(|file| file.as_ref().unwrap().file_name() != "full");
    assert_eq!(left.count(), 0, "a half-written record was left");
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

#[test]
#[ignore = "run by the test below, without a home"]
fn without_a_home() {
    let folder = Journal::locate().folder().map(PathBuf::from);
    println!("\nfolder {folder:?}");
}

#[test]
fn the_place_is_found_by_the_environment() {
    let located = |set: &[(&str, &str)]| {
        let mut own = Command::new(std::env::current_exe().unwrap());
        own.args(["--ignored", "--exact", "without_a_home", "--nocapture"]);
        for name in ["SPAWNER_STATE_DIR", "XDG_STATE_HOME", "HOME"] {
            own.env_remove(name);
        }
        let ran = own.envs(set.iter().copied()).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        text.lines().find_map(|line| line.strip_prefix("folder ")).unwrap().to_owned()
    };
    let all = [("SPAWNER_STATE_DIR", "/a"), ("XDG_STATE_HOME", "/b"), ("HOME", "/c")];
    assert_eq!(located(&all), r#"Some("/a")"#);
    assert_eq!(located(&all[1..]), r#"Some("/b/spawner")"#);
    assert_eq!(located(&all[2..]), r#"Some("/c/.local/state/spawner")"#);
    assert_eq!(located(&[("XDG_STATE_HOME", "a"), all[2]]), r#"Some("/c/.local/state/spawner")"#);
    let here = std::env::current_dir().unwrap().join("a");
    assert_eq!(located(&[("SPAWNER_STATE_DIR", "a"), all[2]]), format!("{:?}", Some(here)));
}
