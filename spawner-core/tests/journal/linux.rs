//! Modes, owners, links, file systems that are full, and the places that the XDG Base Directory Specification names.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use spawner_core::Journal;
use spawner_core::journal::{Found, Whose};

use crate::{account, forge, located, one, record};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Runs an ignored test of this file in a mount namespace of its own, with `script` before it.
fn privately(script: &str, test: &str) {
    let script = format!("set -e\n{script}\nexec \"$0\" --ignored --exact linux::{test} --nocapture");
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
fn a_record_is_for_its_user_alone() {
    let (_folder, journal, _, page) = one();
    assert_eq!(mode(journal.folder().unwrap()), 0o700);
    assert_eq!(mode(page.path()), 0o600);
}

#[test]
fn a_link_is_no_record_and_a_pipe_keeps_nobody_waiting() {
    let (folder, journal, _, page) = one();
    let aside = folder.path().join("aside");
    fs::rename(page.path(), &aside).unwrap();
    symlink(&aside, page.path()).unwrap();
    assert!(matches!(journal.read().unwrap()[..], [Found::Damaged { .. }]));
    fs::remove_file(page.path()).unwrap();
    assert!(Command::new("mkfifo").arg(page.path()).status().unwrap().success());
    assert!(matches!(journal.read().unwrap()[..], [Found::Damaged { .. }]));
}

#[test]
fn a_record_in_another_user_s_file_is_that_user_s() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root can give a file to another user");
    }
    let (_folder, journal, _, page) = one();
    forge(&page, |opening| opening["harness"]["process"]["start_time"] = 1.into());
    assert_eq!(account(&journal).whose(), Whose::Dead);
    chown(page.path(), Some(65534), None).unwrap();
    let account = account(&journal);
    assert_eq!((account.whose(), account.is_for_a_sweep()), (Whose::OtherUser, false));
}

#[test]
fn a_full_or_read_only_file_system_is_told_and_nothing_half_written_is_left() {
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
fn the_place_is_found_by_the_environment() {
    let all = [("SPAWNER_STATE_DIR", "/a"), ("XDG_STATE_HOME", "/b"), ("HOME", "/c")];
    assert_eq!(located(&all), Some(PathBuf::from("/a")));
    assert_eq!(located(&all[1..]), Some(PathBuf::from("/b/spawner")));
    assert_eq!(located(&all[2..]), Some(PathBuf::from("/c/.local/state/spawner")));
    let relative = located(&[("XDG_STATE_HOME", "a"), all[2]]);
    assert_eq!(relative, Some(PathBuf::from("/c/.local/state/spawner")));
    let here = std::env::current_dir().unwrap().join("a");
    assert_eq!(located(&[("SPAWNER_STATE_DIR", "a"), all[2]]), Some(here));
}
