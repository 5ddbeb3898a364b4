//! The tasks: this executable again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::console;
use super::scene::{here, hold};

/// What says which task it is, and where its scene is.
const NAME: &str = "SPAWNER_TEST_TASK";

/// No task outlives a test that failed by more than this.
const LONGEST: Duration = Duration::from_secs(90);

/// The words that start the task `name`. They travel as arguments, behind those that have the test harness run nothing
/// but [`task`].
pub(crate) fn words(itself: &str, name: &str, folder: &str) -> Vec<String> {
    let harness = ["--exact", "task::task", "--ignored", "--nocapture", "--test-threads=1", "-q"];
    let mut words = vec![itself.to_owned()];
    words.extend(harness.map(str::to_owned));
    words.extend(["--skip".into(), format!("{NAME}={name}={folder}")]);
    words
}

#[test]
#[ignore = "it is the task of the other tests"]
fn task() {
    let said = std::env::args().find_map(|word| word.strip_prefix(&format!("{NAME}=")).map(str::to_owned));
    let said = said.expect("a test has started it");
    let (name, folder) = said.split_once('=').unwrap();
    let status = be(name, Path::new(folder));
    // The test harness has a status of its own.
    std::process::exit(status);
}

fn be(name: &str, folder: &Path) -> i32 {
    let _here = hold(folder);
    let name_and_number = name.split_once(' ');
    match (name, name_and_number) {
        (_, Some(("exit", code))) => code.parse().unwrap(),
        ("hello", _) => {
            println!("hello");
            eprintln!("and again");
            0
        }
        ("crash", _) => console::violate_access(),
        ("stay", _) => stay(),
        // Two children and a grandchild, and the task itself ends.
        ("tree", _) => {
            again("branch", folder);
            again("stay", folder);
            super::program::eventually(|| Some(()).filter(|()| here(folder).count() == 4)).unwrap();
            0
        }
        ("branch", _) => {
            again("stay", folder);
            stay()
        }
        // A tree that goes on.
        ("grove", _) => {
            again("branch", folder);
            stay()
        }
        ("heeds", _) => {
            console::wait_for_break(|| say_so(folder));
            println!("asked");
            3
        }
        ("deaf", _) => {
            console::be_deaf(|| say_so(folder), LONGEST);
            99
        }
        _ => panic!("no task is called {name}"),
    }
}

/// Tells the test that it listens to the console.
fn say_so(folder: &Path) {
    std::fs::write(folder.join("listens"), "").unwrap();
}

fn stay() -> i32 {
    std::thread::sleep(LONGEST);
    99
}

/// Starts another process of this executable, which nobody waits for.
fn again(name: &str, folder: &Path) {
    let itself = std::env::current_exe().unwrap();
    let words = words(itself.to_str().unwrap(), name, folder.to_str().unwrap());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(command.spawn().unwrap());
}
