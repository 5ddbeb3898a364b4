//! What may not be signalled: programs that have become another user's.

mod common;

use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::{field, keeper_of, parent, signal, with};
use spawner_core::{Fate, Input, Output, Spawner, Task, TaskSpec, Teardown, Verdict};
use spawner_process::{Choice, ProcessSpawner};
use tokio::io::AsyncReadExt as _;

/// How long helpers may stay when nothing is left that they could end.
const BOUND: Duration = Duration::from_secs(14);

/// A harness of an ordinary user, with two tasks that each have a child of root's.
struct Harness {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    children: Vec<u32>,
    helpers: Vec<u32>,
    _folder: tempfile::TempDir,
}

impl Harness {
    /// `None` where this is not root, who alone can prepare that.
    fn start(what: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can make a program that becomes root's");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let within = |name: &str, from: &std::path::Path, mode: u32| {
            let path = folder.path().join(name);
            std::fs::copy(from, &path).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            path
        };
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let becomes_root = within("becomes-root", "/usr/bin/setpriv".as_ref(), 0o4755);
        let test = within("test", &std::env::current_exe().unwrap(), 0o755);
        let mut process = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(test)
            .args(["--ignored", "--exact", "a_harness", "--nocapture"])
            .env("TEST_BECOMES_ROOT", becomes_root)
            .env("TEST_WHAT", what)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut pids = |what: &str| -> Vec<u32> {
            let line = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with(what));
            let line = line.unwrap_or_else(|| panic!("the harness has ended: {:?}", process.wait()));
            line[what.len()..].split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
        };
        let (helpers, children) = (pids("helpers"), pids("children"));
        Some(Self { process, lines, children, helpers, _folder: folder })
    }

    fn children_live(&self) -> bool {
        self.children.iter().all(|&child| field(child, "Name:").as_deref() == Some("sleep"))
    }

    fn helpers_left(&self) -> bool {
        let alive = |&pid: &u32| field(pid, "State:").is_some_and(|state| !state.starts_with('Z'));
        !self.helpers.iter().any(alive)
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        // Their parents are gone, but nobody ends root's children.
        for &child in self.children.iter().filter(|&&child| field(child, "Name:").as_deref() == Some("sleep"))
        {
            signal(child, "KILL");
        }
    }
}

/// A task whose child becomes root's, and ends by itself after a minute.
async fn start(spawner: &ProcessSpawner) -> (Task, u32) {
    let program = std::env::var("TEST_BECOMES_ROOT").unwrap();
    let script = "\"$0\" --reuid=0 --regid=0 --clear-groups -- sh -c 'echo $$; exec sleep 60' & wait";
    let spec = TaskSpec::new(["sh", "-c", script, &program]).stdin(Input::Null).stdout(Output::Stream);
    let task = spawner.spawn_task(&spec).await.unwrap();
    let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(stdout.read_u8().await.unwrap());
    }
    let child = String::from_utf8(line).unwrap().trim().parse().unwrap();
    (task, child)
}

#[tokio::test]
#[ignore = "run by the tests of this file, as an ordinary user"]
async fn a_harness() {
    let spawner = with(&[Choice::Subreaper]).pop().unwrap();
    let tasks = [start(&spawner).await, start(&spawner).await];
    let keepers = tasks.each_ref().map(|(task, _)| keeper_of(task));
    println!("helpers {} {} {}", keepers[0], keepers[1], parent(keepers[0]));
    println!("children {} {}", tasks[0].1, tasks[1].1);
    if std::env::var("TEST_WHAT").unwrap() == "destroy" {
        for keeper in keepers {
            signal(keeper, "KILL");
        }
        let short = Teardown::at_once().deadline(Duration::from_millis(500));
        for (task, child) in &tasks {
            let outcome = spawner.destroy_task(task, &short).await;
            assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:?}");
            // It is not for one user to read whose another's process says it is.
            let left: Vec<_> = outcome.leftovers().collect();
            assert!(left.iter().any(|left| left.resource().id == child.to_string()), "{outcome:?}");
            for left in left {
                assert_eq!(left.resource().fate, Fate::Unverified, "{outcome:?}");
                assert!(left.resource().reason.as_ref().unwrap().contains("cannot be told"), "{outcome:?}");
            }
        }
        println!("destroyed");
    }
    std::future::pending::<()>().await;
}

#[test]
fn what_cannot_be_told_apart_is_named_for_nobody_as_its_own() {
    let Some(mut harness) = Harness::start("destroy") else { return };
    let destroyed = harness.lines.by_ref().map(Result::unwrap).any(|line| line == "destroyed");
    assert!(destroyed && harness.children_live());
    harness.process.kill().unwrap();
    harness.process.wait().unwrap();
    wait_for_helpers(&harness);
}

#[test]
fn helpers_leave_what_they_may_not_end_after_a_while() {
    let Some(mut harness) = Harness::start("nothing") else { return };
    harness.process.kill().unwrap();
    harness.process.wait().unwrap();
    wait_for_helpers(&harness);
}

fn wait_for_helpers(harness: &Harness) {
    let died = Instant::now();
    while !harness.helpers_left() {
        assert!(died.elapsed() < BOUND, "helpers {:?} are still there", harness.helpers);
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("helpers left after {:?}", died.elapsed());
    assert!(harness.children_live(), "there was something that could not be ended");
}
