//! `spawner ps` shows what is on record, and how it is doing.
#![cfg(unix)]

mod common;

use common::records::{Records, dead, detached, ended, gone, living, nobody, started};
use serde_json::Value;
use spawner::journal::Note;
use spawner::{Exit, Fate, ProcessIdentity, Resource, ResourceKind};

/// The words of the row of the task with this id.
fn row<'a>(table: &'a str, id: &str) -> Vec<&'a str> {
    let line = table.lines().find(|line| line.trim_start().starts_with(id));
    line.unwrap_or_else(|| panic!("{id} is in no row of\n{table}")).split_whitespace().collect()
}

/// The heading above the row of the task with this id.
fn heading<'a>(table: &'a str, id: &str) -> &'a str {
    let above: Vec<_> = table.lines().take_while(|line| !line.trim_start().starts_with(id)).collect();
    above.into_iter().rfind(|line| !line.starts_with(' ')).unwrap_or_else(|| panic!("{id} in\n{table}"))
}

#[test]
fn where_there_is_nothing_one_friendly_line_says_so() {
    let records = Records::new();
    for _ in 0..2 {
        let ran = records.spawner(["ps"]);
        let line = "no task lives, and nothing is left of any\n";
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, line, ""));
        // The same where not even the folder is there.
        if records.path().exists() {
            std::fs::remove_dir(records.path()).unwrap();
        }
    }
    assert!(!records.path().exists(), "looking makes nothing");
}

#[test]
fn every_task_stands_under_its_harness_with_its_state() {
    let records = Records::new();
    let own = ProcessIdentity::own();
    records.add(&living("1111000000000001", &["sleep", "1"]), &[]);
    records.add(&living("1111000000000002", &["sleep", "2"]), &[started(own.clone())]);
    records.add(&living("1111000000000003", &["sleep", "3"]), &[started(nobody())]);
    records.add(&dead("2222000000000001", &["sleep", "4"]), &[started(own.clone())]);
    let web = |id| detached(id, &["sleep", "5"], Some("web"));
    records.add(&web("3333000000000001"), &[started(own.clone())]);
    let exit = Exit::Exited { code: 0 };
    records.add(&web("3333000000000002"), &[started(nobody()), ended(exit.clone())]);
    records.add(&web("3333000000000003"), &[started(nobody()), ended(exit), gone()]);
    records.add(&web("3333000000000004"), &[started(nobody())]);
    let mut other = living("4444000000000001", &["sleep", "6"]);
    other.host.boot_id = "another".into();
    records.add(&other, &[started(own.clone())]);
    let mut other = living("4444000000000002", &["sleep", "7"]);
    other.host.machine = "another@far".into();
    records.add(&other, &[started(own.clone())]);
    let mut other = living("4444000000000003", &["sleep", "8"]);
    other.host.namespaces = "pid:[1]".into();
    records.add(&other, &[started(own.clone())]);

    let ran = records.spawner(["ps"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let table = ran.stdout.as_str();
    let me = format!("harness {} pytest", own.pid);
    let them = format!("harness {} make", own.pid);
    for (id, state, under) in [
        ("1111000000000001", "starting", format!("{me} (running)")),
        ("1111000000000002", "running", format!("{me} (running)")),
        ("1111000000000003", "ended", format!("{me} (running)")),
        ("2222000000000001", "left", format!("{them} (dead; `spawner sweep` ends what is left of it)")),
        ("3333000000000001", "running", "detached".into()),
        ("3333000000000002", "ended", "detached".into()),
        ("3333000000000003", "gone", "detached".into()),
        ("3333000000000004", "lost", "detached".into()),
        ("4444000000000001", "elsewhere", format!("{me} (before this boot; `spawner sweep` forgets it)")),
        ("4444000000000002", "elsewhere", format!("{me} (on host far, or in another container of it)")),
    ] {
        assert_eq!(row(table, id)[2], state, "{id} in\n{table}");
        assert_eq!(heading(table, id), under, "{id} in\n{table}");
    }
    assert_eq!(row(table, "4444000000000003")[2], "elsewhere");
    assert_eq!(row(table, "1111000000000001")[4..], ["-", "process", "sleep", "1"]);
    assert_eq!(row(table, "1111000000000002")[4], own.pid.to_string());
    assert_eq!(row(table, "3333000000000001")[1], "web");
    assert_eq!(table.matches(&format!("{me} (running)")).count(), 1, "one heading for all of a harness");
}

#[test]
fn columns_stand_below_their_heads() {
    let records = Records::new();
    let long = detached("aaaa000000000001", &["sleep", "a b"], Some("a-rather-long-name"));
    records.add(&long, &[started(ProcessIdentity::own())]);
    records.add(&living("bbbb000000000001", &["make"]), &[]);
    let table = records.spawner(["ps"]).stdout;
    let lines: Vec<_> = table.lines().collect();
    let at = |word: &str| lines[0].find(word).unwrap();
    assert_eq!((at("ID"), lines.len()), (2, 5), "{table}");
    for (id, command) in [("aaaa", "sleep 'a b'"), ("bbbb", "make")] {
        let line = lines.iter().find(|line| line.trim_start().starts_with(id)).unwrap();
        assert_eq!(line.find(command), Some(at("COMMAND")), "{table}");
        assert_eq!(line.find("process"), Some(at("BACKEND")), "{table}");
    }
}

#[test]
fn a_damaged_record_is_listed_and_hides_nothing() {
    let records = Records::new();
    records.add(&living("1111000000000001", &["sleep", "1"]), &[]);
    let cut = records.file("5555000000000001");
    std::fs::write(&cut, "{\"schema\": \"spawner.jour").unwrap();
    let foreign = records.file("5555000000000002");
    std::fs::write(&foreign, "hello\n").unwrap();
    let ran = records.spawner(["ps"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert_eq!(row(&ran.stdout, "1111000000000001")[2], "starting");
    for file in [cut, foreign] {
        assert!(ran.stdout.contains(&format!("  {}: ", file.display())), "{}", ran.stdout);
        assert!(file.exists(), "it is kept");
    }
}

#[test]
fn leftovers_stand_below_their_task_with_the_remedy() {
    let records = Records::new();
    let left = Resource {
        kind: ResourceKind::Process,
        id: "4711".into(),
        started: None,
        name: Some("sl\x1b[2Jeep".into()),
        fate: Fate::Survived,
        reason: Some("it is in uninterruptible sleep".into()),
        remedy: Some("kill -KILL 4711".into()),
    };
    let note = Note::Left { leftovers: vec![left], at: jiff::Timestamp::now().to_string() };
    records.add(&dead("1111000000000001", &["sleep", "1"]), &[note]);
    let table = records.spawner(["ps"]).stdout;
    let wanted = "    process: failed to destroy process 4711 (sl\\u{1b}[2Jeep): it is in uninterruptible sleep. \
                  To remove it by hand: kill -KILL 4711\n";
    assert!(table.ends_with(wanted), "{table}");
}

#[test]
fn the_document_is_what_its_schema_says_and_names_nobody_by_a_bare_pid() {
    let records = Records::new();
    let own = ProcessIdentity::own();
    let exit = Exit::Signalled { signal: 9, core: false };
    records.add(&living("1111000000000001", &["sleep", "1"]), &[started(own.clone())]);
    records.add(&detached("3333000000000001", &["sleep", "5"], Some("web")), &[ended(exit), gone()]);
    std::fs::write(records.file("5555000000000001"), "hello\n").unwrap();
    let ran = records.spawner(["ps", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let schema: Value = serde_json::from_str(&records.spawner(["schema", "ps"]).stdout).unwrap();
    jsonschema::validate(&schema, &document).unwrap_or_else(|error| panic!("{error} in {document}"));
    assert_eq!(document["schema"], "spawner.ps/1");
    let tasks = document["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    assert_eq!((&tasks[0]["state"], &tasks[1]["state"]), (&"running".into(), &"gone".into()));
    assert_eq!(tasks[0]["record"]["leader"], serde_json::to_value(&own).unwrap());
    assert_eq!(tasks[0]["harness"]["process"], serde_json::to_value(&own).unwrap());
    assert_eq!(tasks[1]["exit"]["signal"], 9);
    assert_eq!(document["damaged"].as_array().unwrap().len(), 1);
}

#[test]
fn a_hostile_name_or_command_cannot_write_to_our_terminal() {
    let records = Records::new();
    let mut task = detached("1111000000000001", &["a\x1b[2J\nb"], Some("na\x1b[2J\nme"));
    task.record.backend = "b\x1b[1m".into();
    records.add(&task, &[]);
    let mut other = dead("1111000000000002", &["x"]);
    other.harness.command = "h\x1b[2J\n".into();
    other.created = "\x1b[2J".into();
    records.add(&other, &[]);
    std::fs::write(records.file("\x1b[2J"), "hello\n").unwrap();
    let ran = records.spawner(["ps"]);
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 7, "{}", ran.stdout);
}

#[test]
fn a_state_folder_that_cannot_be_read_is_told() {
    let folder = common::folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let ran = common::finish(common::command().arg("ps").env("SPAWNER_STATE_DIR", &file));
    assert_eq!(ran.status, 125, "{ran:?}");
    assert!(ran.stderr.starts_with("spawner: cannot read the state folder"), "{ran:?}");
}
