//! What a task leaves behind is ended, and told.

use serde_json::Value;

use super::program::{Ran, command, finish, spawner};
use super::scene::Scene;

fn run(scene: &Scene, options: &[&str], task: &str) -> Ran {
    finish(command().arg("run").args(options).arg("--").args(scene.task(task)))
}

#[test]
fn a_tree_that_was_left_behind_is_named_and_gone() {
    let scene = Scene::new();
    let ran = run(&scene, &["--linger", "0", "--grace", "100ms"], "tree");
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!((scene.came(), scene.held()), (4, 0), "{ran:?}");
    // The server of a console that the system made for them is none of them.
    let told = "spawner: 3 processes were left behind and have been destroyed: ";
    let names: Vec<_> = ran.stderr.trim_end().strip_prefix(told).unwrap().split(", ").collect();
    let itself = std::env::current_exe().unwrap();
    let name = itself.file_name().unwrap().to_str().unwrap();
    assert!(names.len() == 3 && names.iter().all(|named| named.starts_with(name)), "{ran:?}");
}

#[test]
fn with_on_leak_fail_it_is_an_error() {
    let scene = Scene::new();
    let ran = run(&scene, &["--on-leak", "fail", "--linger", "0", "--grace", "0"], "tree");
    assert_eq!((ran.status, scene.held()), (123, 0), "{ran:?}");
}

#[test]
fn the_report_says_what_became_of_all_of_it_as_its_schema_has_it() {
    let scene = Scene::new();
    let file = scene.folder().join("report.json");
    // One that is there is replaced.
    std::fs::write(&file, "old").unwrap();
    let options =
        ["--report", file.to_str().unwrap(), "--report-format", "json", "--linger", "0", "--grace", "0"];
    let ran = run(&scene, &options, "tree");
    assert_eq!(ran.status, 0, "{ran:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let schema: Value = serde_json::from_str(&spawner(["schema", "report"]).stdout).unwrap();
    jsonschema::validate(&schema, &report).unwrap();

    let cleanup = &report["cleanup"];
    assert_eq!(cleanup["verdict"], "clean", "{report:#}");
    assert_eq!(cleanup["mechanisms"], serde_json::json!(["job-object"]));
    assert_eq!(report["exit"]["code"], 0);
    let left: Vec<_> = cleanup["left_behind"].as_array().unwrap().iter().collect();
    assert_eq!(left.len(), 3, "{report:#}");
    for resource in left {
        assert_eq!(resource["kind"], "process");
        let pid: u32 = resource["id"].as_str().unwrap().parse().unwrap();
        assert!(scene.folder().join(format!("{pid}.here")).exists(), "it was one of the task: {resource}");
    }
    let beside = std::fs::read_dir(scene.folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let half: Vec<_> = beside.filter(|name| name.to_str().unwrap().starts_with(".spawner")).collect();
    assert!(half.is_empty(), "{half:?}");
}

#[test]
fn a_report_goes_to_standard_output_or_to_nowhere_by_their_names() {
    let scene = Scene::new();
    let ran = run(&scene, &["--report", "-"], "exit 7");
    assert_eq!(ran.status, 7, "{ran:?}");
    assert!(ran.stdout.contains("exited with status 7"), "{ran:?}");
    let ran = run(&scene, &["--report", "NUL"], "exit 7");
    assert_eq!((ran.status, ran.stderr.as_str()), (7, ""), "{ran:?}");
}
