//! Tasks on record, seen from a second program.

use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::program::{Ran, collect, command, eventually, finish};
use super::scene::Scene;

/// The program with a state folder of this scene's own.
fn program(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = command();
    command.env("SPAWNER_STATE_DIR", scene.folder().join("state")).args(arguments);
    command
}

fn ask(scene: &Scene, arguments: &[&str]) -> Ran {
    finish(&mut program(scene, arguments))
}

fn tasks(scene: &Scene) -> Vec<Value> {
    let ran = ask(scene, &["ps", "--format", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    document["tasks"].as_array().unwrap().clone()
}

#[test]
fn a_second_program_sees_a_task_and_destroys_it() {
    let scene = Scene::new();
    let began = Instant::now();
    let child = program(&scene, &["run", "--"]).args(scene.task("grove")).spawn().unwrap();
    scene.wait_for(3);
    let running = eventually(|| tasks(&scene).into_iter().find(|task| task["state"] == "running"));
    let running = running.unwrap_or_else(|| panic!("{:#?}", tasks(&scene)));
    assert_eq!(running["harness"]["state"], "living", "{running:#}");
    let id = running["record"]["id"].as_str().unwrap();

    let ran = ask(&scene, &["destroy", "--grace", "100ms", id]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!((scene.came(), scene.held()), (3, 0));
    let ran = collect(child, began);
    assert!(!ran.stderr.contains("lost") && !ran.stderr.contains("not proved"), "{ran:?}");
    assert_eq!(tasks(&scene), Vec::<Value>::new());
}

#[test]
fn after_a_program_that_was_terminated_a_sweep_closes_the_record() {
    let scene = Scene::new();
    let began = Instant::now();
    let mut child = program(&scene, &["run", "--"]).args(scene.task("grove")).spawn().unwrap();
    scene.wait_for(3);
    child.kill().unwrap();
    drop(collect(child, began));
    eventually(|| (scene.held() == 0).then_some(())).unwrap();
    let left = tasks(&scene);
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0]["state"], "left", "{left:#?}");

    let ran = ask(&scene, &["sweep"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(tasks(&scene), Vec::<Value>::new());
    assert_eq!(ask(&scene, &["sweep"]).stdout, "nothing to do\n");
}

#[test]
fn a_task_of_nobody_is_not_found_and_none_outlives_the_program() {
    let scene = Scene::new();
    let ran = ask(&scene, &["destroy", "deadbeefdeadbeef"]);
    assert_eq!(ran.status, 125, "{ran:?}");
    assert!(ran.stderr.contains("nothing is on record"), "{ran:?}");

    let ran = finish(program(&scene, &["start", "--name", "web", "--"]).args(scene.task("stay")));
    assert_eq!(ran.status, 125, "{ran:?}");
    assert!(ran.stderr.contains("detach"), "{ran:?}");
    assert_eq!(scene.came(), 0, "nothing was started");
    assert_eq!(tasks(&scene), Vec::<Value>::new());
}
