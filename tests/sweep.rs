//! `spawner sweep`: what it says, and what it leaves alone.
#![cfg(unix)]

mod common;

use common::records::{Records, dead, detached, living, started};
use serde_json::Value;
use spawner::ProcessIdentity;

#[test]
fn where_nothing_is_to_be_done_it_says_so() {
    let records = Records::new();
    let living = records.add(&living("1111000000000001", &["sleep"]), &[started(ProcessIdentity::own())]);
    let detached = records.add(&detached("2222000000000001", &["sleep"], None), &[]);
    let mut far = dead("3333000000000001", &["sleep"]);
    far.host.machine = "0123@far".into();
    let far = records.add(&far, &[]);
    let ran = records.spawner(["sweep"]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "nothing to do\n", ""));
    for file in [living, detached, far] {
        assert!(file.exists(), "{} was touched", file.display());
    }
}

#[test]
fn a_kind_of_backend_that_is_not_built_in_is_told_and_fails() {
    let records = Records::new();
    let mut strange = dead("1111000000000001", &["sleep"]);
    strange.kind = "quantum".into();
    let file = records.add(&strange, &[]);
    let ran = records.spawner(["sweep"]);
    assert_eq!(ran.status, 123, "{ran:?}");
    let lines: Vec<_> = ran.stdout.lines().collect();
    let why = "1111000000000001: not resolved: this program has no backend of kind `quantum`";
    assert_eq!(lines, [why, "1 task could not be resolved"]);
    assert!(file.exists());
}

#[test]
fn a_damaged_record_is_told_on_stderr_and_does_not_fail() {
    let records = Records::new();
    let file = records.file("1111000000000001");
    std::fs::write(&file, "hello\n").unwrap();
    let ran = records.spawner(["sweep"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "nothing to do\n"), "{ran:?}");
    let told = format!("spawner: the record {} is damaged: ", file.display());
    assert!(ran.stderr.starts_with(&told) && ran.stderr.contains("remove it where nothing"), "{ran:?}");
    assert!(file.exists());
}

#[test]
fn the_document_is_what_its_schema_says() {
    let records = Records::new();
    let mut strange = dead("1111000000000001", &["sleep"]);
    strange.kind = "quantum".into();
    records.add(&strange, &[]);
    records.add(&dead("1111000000000002", &["sleep"]), &[]);
    std::fs::write(records.file("2222000000000001"), "hello\n").unwrap();
    let ran = records.spawner(["sweep", "--format", "json"]);
    assert_eq!(ran.status, 123, "{ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let schema: Value = serde_json::from_str(&records.spawner(["schema", "sweep"]).stdout).unwrap();
    jsonschema::validate(&schema, &document).unwrap_or_else(|error| panic!("{error} in {document}"));
    assert_eq!(document["schema"], "spawner.sweep/1");
    let unresolved = document["unresolved"].as_array().unwrap();
    assert!(unresolved.iter().any(|task| task["record"]["id"] == "1111000000000001"), "{document}");
    assert_eq!(document["damaged"].as_array().unwrap().len(), 1);
}
