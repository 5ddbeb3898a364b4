//! Tasks in containers, by the program: those that outlive it, and those that it left.
#![cfg(unix)]

mod common;
#[path = "../spawner-podman/tests/common/scratch.rs"]
mod scratch;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::screen::Screen;
use common::{Ran, collect, eventually, finish, mark, names};
use rustix::process::{Pid, Signal, kill_process};
use scratch::Scratch;
use serde_json::Value;

/// The program with an engine and a state folder of this test, and a configuration whose default is `box`.
struct Place {
    scratch: Scratch,
}

impl Place {
    fn new() -> Option<Self> {
        let scratch = Scratch::up()?;
        let configuration = format!(
            "default = \"box\"\n[backend.box]\nkind = \"podman\"\nsocket = \"{}\"\n\
             image = \"localhost/busybox:latest\"\nnetwork = \"none\"\n",
            scratch.address()
        );
        std::fs::write(scratch.folder().join("config.toml"), configuration).unwrap();
        Some(Self { scratch })
    }

    fn state(&self) -> PathBuf {
        self.scratch.folder().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(env!("CARGO_BIN_EXE_spawner"));
        command
            .env("SPAWNER_STATE_DIR", self.state())
            .env("SPAWNER_CONFIG", self.scratch.folder().join("config.toml"));
        command.env_remove("SPAWNER_LOG").stdin(Stdio::null()).args(arguments);
        command
    }

    fn spawner(&self, arguments: &[&str]) -> Ran {
        finish(&mut self.command(arguments))
    }

    #[track_caller]
    fn start(&self, name: &str, script: &str) {
        let ran = self.spawner(&["start", "--name", name, "--", "sh", "-c", script]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    }

    fn shown(&self) -> Vec<Value> {
        let ran = self.spawner(&["ps", "--format", "json"]);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        document["tasks"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn until_state(&self, state: &str) -> Value {
        let shown = || self.shown().into_iter().find(|task| task["state"] == state);
        eventually(shown).unwrap_or_else(|| panic!("it is never {state}: {:?}", self.shown()))
    }

    /// Destroys what a test leaves, and sees that nothing stays.
    #[track_caller]
    fn destroy(&self, asked: &str) {
        let ran = self.spawner(&["destroy", "--grace", "0", asked]);
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{ran:?}");
        self.nothing_is_left();
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        assert_eq!(self.scratch.containers(), "");
        assert_eq!(names(&self.state()), [""; 0].map(PathBuf::from), "files are left");
    }
}

#[test]
fn a_started_container_is_shown_awaited_read_and_destroyed_also_after_the_engine_was_killed() {
    let Some(place) = Place::new() else { return };
    place.start(
        "web",
        "echo out; echo bad >&2; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo late; exit 7",
    );
    place.until_state("running");
    let read = || Some(place.spawner(&["logs", "web"])).filter(|ran| !ran.stderr.is_empty());
    let logs = eventually(read).unwrap();
    assert_eq!((logs.status, logs.stdout.as_str(), logs.stderr.as_str()), (0, "out\n", "bad\n"));
    assert_eq!(place.spawner(&["wait", "--timeout", "100ms", "web"]).status, 124);
    place.scratch.kill();
    // Nobody is there to be asked, and its main process is seen all the same.
    assert_eq!(place.shown()[0]["state"], "running");
    place.scratch.restart();
    let mut follow = place.command(&["logs", "--follow", "web"]);
    let (follow, began) =
        (follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), Instant::now());
    place.scratch.podman(&["exec", "--latest", "touch", "/tmp/go"]);
    assert_eq!(place.spawner(&["wait", "web"]).status, 7);
    let followed = collect(follow, began);
    assert_eq!((followed.stdout.as_str(), followed.stderr.as_str()), ("out\nlate\n", "bad\n"));
    let shown = place.until_state("ended");
    assert_eq!(shown["exit"]["code"], 7);
    assert_eq!(place.spawner(&["sweep"]).stdout, "nothing to do\n");
    place.destroy("web");
}

#[test]
fn how_one_ended_that_nobody_watched_is_shown() {
    let Some(place) = Place::new() else { return };
    place.start("one", "exit 5");
    let shown = place.until_state("ended");
    assert_eq!(shown["exit"]["code"], 5);
    let ran = place.spawner(&["wait", "one"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (5, ""), "{ran:?}");
    place.destroy("one");
}

#[test]
fn what_a_killed_program_left_is_shown_as_left_and_swept() {
    let Some(place) = Place::new() else { return };
    let mut program = place.command(&["run", "--", "sleep", "300"]).spawn().unwrap();
    place.until_state("running");
    // With its helper, which would see to it.
    let own = Pid::from_child(&program);
    kill_process(own, Signal::STOP).unwrap();
    for helper in helpers(program.id()) {
        kill_process(helper, Signal::KILL).unwrap();
    }
    program.kill().unwrap();
    program.wait().unwrap();
    place.until_state("left");
    let ran = place.spawner(&["sweep"]);
    assert!(ran.status == 0 && ran.stdout.contains("resolved 1 task of 1 dead harness"), "{ran:?}");
    place.nothing_is_left();
}

#[test]
fn nothing_is_left_of_a_program_that_is_killed() {
    let Some(place) = Place::new() else { return };
    let mut program = place.command(&["run", "--", "sleep", "300"]).spawn().unwrap();
    place.until_state("running");
    program.kill().unwrap();
    program.wait().unwrap();
    let gone = || Some(()).filter(|()| place.scratch.containers().is_empty() && place.shown().is_empty());
    eventually(gone).expect("it is there");
    place.nothing_is_left();
}

fn helpers(parent: u32) -> Vec<Pid> {
    let children = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap().flat_map(|thread| {
        let path = thread.unwrap().path().join("children");
        let children = std::fs::read_to_string(path).unwrap_or_default();
        children.split_ascii_whitespace().map(|pid| pid.parse::<i32>().unwrap()).collect::<Vec<_>>()
    });
    children.filter_map(Pid::from_raw).collect()
}

/// A terminal in which the configuration is a place's.
fn screen(place: &Place) -> Screen {
    let screen = Screen::open();
    screen.line(&format!(
        "export SPAWNER_STATE_DIR={} SPAWNER_CONFIG={}; clear",
        place.state().display(),
        place.scratch.folder().join("config.toml").display()
    ));
    screen
}

/// A container has a terminal for all of its streams, or for none.
#[test]
fn what_goes_elsewhere_than_to_the_terminal_keeps_a_container_from_having_one() {
    let Some(place) = Place::new() else { return };
    let screen = screen(&place);
    let errors = place.scratch.folder().join("errors");
    screen
        .line(&format!("spawner run -- sh -c 'echo bad >&2; exit 3' 2>{}; echo status $?", errors.display()));
    screen.shows("status 3");
    assert_eq!(std::fs::read_to_string(errors).unwrap(), "bad\n");
    screen.line("spawner run -- sh -c 'test -t 0 && test -t 1 && test -t 2'; echo all three: $?");
    screen.shows("all three: 0");
    screen.is_restored();
}

/// Whoever reads the terminal from the background is stopped, and all its tasks with it.
#[test]
fn a_container_in_the_background_takes_no_keys_until_it_is_in_front() {
    let Some(place) = Place::new() else { return };
    let (screen, mark) = (screen(&place), mark());
    screen.line(&format!(
        "spawner run --terminal never -- sh -c 'echo; echo ready; read line; echo got $line' {mark} & clear"
    ));
    screen.shows("ready");
    screen.line("echo to the shell");
    screen.shows("to the shell");
    screen.line("jobs; echo told");
    screen.shows("told");
    assert!(screen.text().contains("Running"), "it was stopped:\n{}", screen.text());
    screen.line("clear; fg");
    screen.line("word");
    screen.shows("got word");
    screen.is_restored();
}
