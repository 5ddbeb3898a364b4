//! However the program ends, its task ends with it.

use std::time::Instant;

use super::program::{collect, command, eventually};
use super::scene::Scene;

#[test]
fn a_program_that_is_terminated_leaves_nothing() {
    let scene = Scene::new();
    let began = Instant::now();
    let mut child = command().arg("run").arg("--").args(scene.task("grove")).spawn().unwrap();
    scene.wait_for(3);
    child.kill().unwrap();
    let ran = collect(child, began);
    eventually(|| (scene.held() == 0).then_some(()))
        .unwrap_or_else(|| panic!("{} of 3 are still alive: {ran:?}", scene.held()));
}

#[test]
fn one_that_is_terminated_while_it_starts_the_task_leaves_nothing() {
    for pause in 0..6_u64 {
        let scene = Scene::new();
        let began = Instant::now();
        let mut child = command().arg("run").arg("--").args(scene.task("grove")).spawn().unwrap();
        // Somewhere on the way, not at an event that one could wait for.
        let due = Instant::now() + std::time::Duration::from_millis(pause * 60);
        eventually(|| (Instant::now() > due).then_some(())).unwrap();
        child.kill().unwrap();
        let ran = collect(child, began);
        eventually(|| (scene.held() == 0).then_some(()))
            .unwrap_or_else(|| panic!("{} of {} are still alive: {ran:?}", scene.held(), scene.came()));
    }
}
