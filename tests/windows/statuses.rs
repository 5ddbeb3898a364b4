//! The exit status says how the task ended, or why there was none.

use std::time::Duration;

use super::program::spawner;
use super::scene::Scene;

fn run(options: &[&str], task: &[String]) -> super::program::Ran {
    let words = ["run"].iter().chain(options).chain(&["--"]).map(|&word| word.to_owned());
    spawner(words.chain(task.iter().cloned()))
}

#[test]
fn the_status_is_the_task_s_own_in_all_of_its_32_bits() {
    for code in [0, 7, 255, 256, 0x0012_3456, i32::MAX, -1, i32::MIN] {
        let scene = Scene::new();
        let ran = run(&[], &scene.task(&format!("exit {code}")));
        assert_eq!(ran.status, code, "{ran:?}");
        assert_eq!(ran.stderr, "", "where all went well, nothing is said");
        assert_eq!((scene.came(), scene.held()), (1, 0));
    }
}

#[test]
fn a_crash_has_the_status_that_windows_gives_it() {
    let scene = Scene::new();
    let ran = run(&[], &scene.task("crash"));
    assert_eq!(ran.status.cast_unsigned(), 0xC000_0005, "{ran:?}");
}

#[test]
fn the_streams_are_the_task_s_own() {
    let scene = Scene::new();
    let ran = run(&[], &scene.task("hello"));
    assert_eq!((ran.status, ran.stderr.trim_end()), (0, "and again"));
    assert!(ran.stdout.lines().any(|line| line == "hello"), "{ran:?}");
}

#[test]
fn a_program_that_is_not_there_is_127_and_one_that_is_none_126() {
    let ran = run(&[], &["spawner-has-no-such-program".into()]);
    assert_eq!(ran.status, 127, "{ran:?}");
    assert!(ran.stderr.contains("spawner-has-no-such-program"), "{ran:?}");

    let scene = Scene::new();
    let text = scene.folder().join("text.exe");
    std::fs::write(&text, "this is no program").unwrap();
    let ran = run(&[], &[text.to_str().unwrap().to_owned()]);
    assert_eq!(ran.status, 126, "{ran:?}");
}

#[test]
fn a_task_that_runs_too_long_is_ended_with_124_and_all_of_it() {
    let scene = Scene::new();
    let ran = run(&["--timeout", "4s", "--grace", "100ms"], &scene.task("grove"));
    assert_eq!(ran.status, 124, "{ran:?}");
    assert!(ran.stderr.contains("it ran longer than 4s"), "{ran:?}");
    assert!(ran.took > Duration::from_secs(4));
    assert_eq!(scene.held(), 0, "of {}", scene.came());
}

#[test]
fn what_spawner_cannot_do_here_is_125_and_says_why() {
    let scene = Scene::new();
    let ran = run(&["--terminal", "always"], &scene.task("exit 0"));
    assert_eq!(ran.status, 125, "{ran:?}");
    assert!(ran.stderr.contains("terminal"), "{ran:?}");
    let ran = run(&["--mechanism", "subreaper"], &scene.task("exit 0"));
    assert_eq!(ran.status, 125, "{ran:?}");
    assert!(ran.stderr.contains("needs Linux"), "{ran:?}");
    assert_eq!(scene.came(), 0, "nothing was started");
}
