//! A far end on which it cannot be looked, or not in time, whether anything is left: that is no proof that nothing is.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use common::lock::Witness;
use common::{Far, Order, PATIENCE, Running, SHELLS, Way, kill, local_behind, until};
use spawner_core::{Exit, TaskId};
use spawner_remote::said::{Looked, Proof, Said};

/// Those that look with the grep(1) of the far end; busybox has one of its own within.
fn shells() -> impl Iterator<Item = &'static [&'static str]> {
    SHELLS.into_iter().filter(|shell| !shell[0].ends_with("busybox"))
}

/// A grep(1) that first does what `fault` says, while that is on.
struct Grep(tempfile::TempDir);

impl Grep {
    fn with(fault: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let grep = folder.path().join("grep");
        let on = folder.path().join("on").display().to_string();
        fs::write(&grep, format!("#!/bin/sh\n[ ! -e {on} ] || {fault}\nexec /bin/grep \"$@\"\n")).unwrap();
        fs::set_permissions(&grep, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn way(&self) -> Way {
        local_behind(self.0.path())
    }

    fn turn_on(&self) {
        fs::write(self.0.path().join("on"), "").unwrap();
    }

    fn turn_off(&self) {
        fs::remove_file(self.0.path().join("on")).unwrap();
    }
}

/// A task of which a deaf process is left, that is found by its mark alone.
fn left(far: &mut Far, witness: &Witness) -> Running {
    let script = format!("trap '' TERM; {}", witness.hold("sleep 7786 & exit"));
    let task = far.start(&Order::sh(&script).with(false, false)).unwrap();
    assert_eq!(far.exit(task.id), Exit::Exited { code: 0 });
    assert!(!witness.all_gone());
    task
}

/// How many are there, by the answer to that question.
fn count(far: &mut Far, task: TaskId, word: &str) -> usize {
    far.hear(task, |said| match said {
        Said::Members(count, of) if of == word => Some(*count),
        _ => None,
    })
}

#[test]
fn a_look_that_is_cut_short_proves_nothing() {
    for shell in shells() {
        let grep = Grep::with("sleep 0.5");
        let mut far = Far::open(grep.way(), shell);
        let witness = Witness::new();
        let task = left(&mut far, &witness);
        grep.turn_on();
        far.to(&task, "ask");
        // It may take a fifth of a second.
        far.to(&task, "look a brief");
        count(&mut far, task.id, "a");
        far.to(&task, "look b");
        assert!(count(&mut far, task.id, "b") > 0, "{shell:?}");
        assert!(!witness.all_gone());
        grep.turn_off();
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Marks]);
        assert!(witness.all_gone());
    }
}

#[test]
fn a_look_that_could_not_be_made_proves_nothing() {
    for shell in shells() {
        let grep = Grep::with("kill -KILL $$");
        let mut far = Far::open(grep.way(), shell);
        let witness = Witness::new();
        let task = left(&mut far, &witness);
        grep.turn_on();
        far.to(&task, "ask");
        far.to(&task, "look a");
        assert_eq!(count(&mut far, task.id, "a"), 1, "{shell:?}");
        // Without its guardian, by the agent.
        kill(task.guardian.0);
        until("the guardian is gone", PATIENCE, || !common::runs(task.guardian.0));
        assert_eq!(far.ask_agent("look", &task).0, Looked::Unable, "{shell:?}");
        assert_eq!(far.ask_agent("end", &task).0, Looked::Unable, "{shell:?}");
        assert!(!witness.all_gone());
        grep.turn_off();
        assert_eq!(far.ask_agent("end", &task).0, Looked::NotFound(vec![Proof::Marks]));
        assert!(witness.all_gone());
    }
}
