//! The place that Windows has for it, and what others have open.

use std::path::PathBuf;
use std::time::Duration;

use crate::{account, located, one};

#[test]
fn the_place_is_found_by_the_environment() {
    let all = [("SPAWNER_STATE_DIR", r"C:\a"), ("LOCALAPPDATA", r"C:\b"), ("USERPROFILE", r"C:\c")];
    assert_eq!(located(&all), Some(PathBuf::from(r"C:\a")));
    assert_eq!(located(&all[1..]), Some(PathBuf::from(r"C:\b\spawner")));
    assert_eq!(located(&all[2..]), Some(PathBuf::from(r"C:\c\AppData\Local\spawner")));
    let relative = located(&[("LOCALAPPDATA", "b"), all[2]]);
    assert_eq!(relative, Some(PathBuf::from(r"C:\c\AppData\Local\spawner")));
    let here = std::env::current_dir().unwrap().join("a");
    assert_eq!(located(&[("SPAWNER_STATE_DIR", "a"), all[2]]), Some(here));
}

#[tokio::test]
async fn a_claimed_record_can_be_read_and_closed() {
    let (_folder, journal, record, page) = one();
    let held = page.claim(Duration::ZERO).await.unwrap().expect("it is there");
    assert_eq!(account(&journal).record(), record);
    page.close().unwrap();
    assert!(journal.read().unwrap().is_empty());
    assert!(page.claim(Duration::ZERO).await.unwrap().is_none());
    let again = journal.open("fake", &record, serde_json::Value::Null).unwrap();
    assert!(again.claim(Duration::ZERO).await.unwrap().is_some());
    drop(held);
}
