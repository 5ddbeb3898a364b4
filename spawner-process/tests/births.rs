//! What befalls a task at its birth.

mod common;

use std::time::Duration;

use common::with;
use spawner_core::{Exit, Output, Spawner, TaskSpec, Teardown};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};

const MECHANISMS: [Choice; 3] = [Choice::CgroupV2, Choice::Subreaper, Choice::PidNamespace];

#[tokio::test]
async fn a_task_by_force_ended_does_not_harm_the_next() {
    for spawner in with(&MECHANISMS) {
        for _ in 0..5 {
            let task = spawner.spawn_task(&TaskSpec::new(["sleep", "300"])).await.unwrap();
            assert!(spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean());
            let next = spawner.spawn_task(&TaskSpec::new(["sh", "-c", "exit 7"])).await.unwrap();
            let exit = spawner.wait_task(&next).await.unwrap();
            assert_eq!(exit, Exit::Exited { code: 7 }, "{}", spawner.mechanism().name());
            assert!(spawner.destroy_task(&next, &Teardown::default()).await.is_clean());
        }
        spawner.shutdown().await.unwrap();
    }
}

/// A kernel may compare how often two groups were killed, and kill the newborn where that differs.
#[tokio::test]
async fn tasks_live_in_a_group_that_was_killed_before_they_were_born() {
    let script = r#"
        own=$(sed -n 's/^0:://p' /proc/self/cgroup)
        mount=$(sed -n 's/.* \([^ ]*\) .* - cgroup2 .*/\1/p' /proc/self/mountinfo | head -n 1)
        group="$mount$own/killed-before-$$"
        mkdir "$group" || exit 99
        echo 1 > "$group/cgroup.kill"; echo 0 > "$group/cgroup.procs"
        "$0" --exact --include-ignored in_a_killed_group --nocapture; status=$?
        echo 0 > "$mount$own/cgroup.procs"; rmdir "$group" || exit 98; exit $status"#;
    if ProcessSpawner::new(ProcessConfig { mechanism: Choice::CgroupV2, ..ProcessConfig::default() }).is_err()
    {
        return eprintln!("skipped: no control groups here");
    }
    let test = std::env::current_exe().unwrap();
    let ran = tokio::process::Command::new("sh").args(["-c", script]).arg(test).output().await.unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

#[tokio::test]
#[ignore = "run by the test above, in a group of its own"]
async fn in_a_killed_group() {
    for spawner in with(&[Choice::CgroupV2]) {
        // A script without a magic number, too.
        let script = std::env::temp_dir().join(format!("spawner-{}", std::process::id()));
        std::fs::write(&script, "exit 7").unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for argv in [vec!["sh".into(), "-c".into(), "exit 7".into()], vec![script.clone()]] {
            let task = spawner.spawn_task(&TaskSpec::new(argv).stdout(Output::Null)).await.unwrap();
            let exit = tokio::time::timeout(Duration::from_secs(5), spawner.wait_task(&task)).await;
            assert_eq!(exit.unwrap().unwrap(), Exit::Exited { code: 7 });
            assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
        }
        std::fs::remove_file(script).unwrap();
        spawner.shutdown().await.unwrap();
    }
}
