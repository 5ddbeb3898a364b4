//! The folder of a task's own.

use std::fs::OpenOptions;
use std::os::windows::fs::OpenOptionsExt as _;

use spawner_core::{Fate, ResourceKind, Spawner as _, TaskSpec, Teardown, Verdict};
use spawner_process::{ProcessConfig, ProcessSpawner};

use super::lives::{records, start_pids};
use super::parts::part;
use super::run::{Test, block};

pub(crate) const ALL: &[Test] = &[
    ("a scratch folder goes with its task, whatever is in it", removed),
    ("a file that somebody holds is named with its holder, and goes later", held),
];

fn spawner(folder: &std::path::Path) -> ProcessSpawner {
    let (state_dir, scratch) = (Some(folder.join("state")), Some(folder.join("scratch")));
    ProcessSpawner::new(ProcessConfig { state_dir, scratch, ..ProcessConfig::default() }).unwrap()
}

fn removed() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner(folder.path());
    block(async {
        let spec = TaskSpec::new([
            "cmd",
            "/c",
            "cd /d %SPAWNER_SCRATCH% && mkdir a && echo x> a\\b && attrib +r a\\b",
        ]);
        let task = spawner.spawn_task(&spec).await.unwrap();
        assert!(spawner.wait_task(&task).await.unwrap().success());
        let own = folder.path().join("scratch").join(task.id().to_string());
        assert!(own.join("a").join("b").exists());
        let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
        assert!(outcome.is_clean(), "{outcome}");
        let entry =
            outcome.resources().iter().find(|resource| resource.kind == ResourceKind::Folder).unwrap();
        assert_eq!((entry.fate, own.exists()), (Fate::Removed, false));
        // What a member held when it was killed is let go of, a little later.
        let (task, _) = start_pids(&spawner, part(["tree", "1"]), 1).await;
        assert!(spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean());
    });
    assert_eq!(std::fs::read_dir(folder.path().join("scratch")).unwrap().count(), 0);
}

fn held() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner(folder.path());
    block(async {
        let (task, _) = start_pids(&spawner, part(["tree", "1"]), 1).await;
        let own = folder.path().join("scratch").join(task.id().to_string());
        let file = own.join("held");
        // By this process, which is not of the task.
        let hold =
            OpenOptions::new().write(true).create(true).truncate(true).share_mode(0).open(&file).unwrap();
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        assert_eq!(outcome.verdict(), Verdict::Leaked, "{outcome}");
        let left = outcome.leftovers().find(|left| left.resource().kind == ResourceKind::File).unwrap();
        let (left, said) = (left.resource().clone(), left.to_string());
        assert!(left.id.ends_with("held") && left.remedy.is_some(), "{said}");
        let reason = left.reason.unwrap();
        if reason.contains("Restart Manager") || reason.contains("nobody is known") {
            println!("  not asserted that the holder is named: {reason}");
        } else {
            assert!(reason.contains(&format!("pid {}", std::process::id())), "{reason}");
        }
        assert_eq!(records(folder.path()).len(), 1);
        drop(hold);
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        assert!(outcome.is_clean(), "{outcome}");
        assert!(!own.exists());
        assert_eq!(records(folder.path()).len(), 0);
    });
}
