//! Control groups are left behind by nothing that befalls a task's helpers.

mod common;

use common::{groups, keeper_of, parent, poll, signal, with};
use spawner_core::{Level, Limits, Spawner, TaskSpec, Teardown};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};

/// A task with a limit, where that can be had; its keeper, its supervisor, and what its groups' names begin
/// with.
async fn start(spawner: &ProcessSpawner) -> (spawner_core::Task, u32, u32, [String; 2]) {
    let mut spec = TaskSpec::new(["sleep", "300"]);
    if spawner.capabilities().limit_pids.level() == Level::Unsupported {
        eprintln!("not with limits: none can be set here");
    } else {
        spec = spec.limits(Limits { pids: Some(10), memory: Some(64 << 20), ..Limits::default() });
    }
    let task = spawner.spawn_task(&spec).await.unwrap();
    let keeper = keeper_of(&task);
    let supervisor = parent(keeper);
    let names = [format!("spawner-{}-{supervisor}", std::process::id()), format!("spawner-{supervisor}-")];
    assert!(!groups(&names[0]).is_empty());
    assert_eq!(groups(&names[1]).is_empty(), spec.limits.is_empty());
    (task, keeper, supervisor, names)
}

#[tokio::test]
async fn the_groups_of_a_killed_keeper_are_removed() {
    for spawner in with(&[Choice::CgroupV2]) {
        let (task, keeper, _, [own, limits]) = start(&spawner).await;
        signal(keeper, "KILL");
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        assert!(outcome.is_clean(), "{outcome:?}");
        assert_eq!(groups(&limits), Vec::<std::path::PathBuf>::new());
        spawner.shutdown().await.unwrap();
        assert_eq!(groups(&own), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn the_groups_of_a_killed_supervisor_are_removed() {
    for spawner in with(&[Choice::CgroupV2]) {
        let (task, _, supervisor, [own, limits]) = start(&spawner).await;
        signal(supervisor, "KILL");
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        assert!(outcome.is_clean(), "{outcome:?}");
        assert_eq!(groups(&limits), Vec::<std::path::PathBuf>::new());
        spawner.shutdown().await.unwrap();
        poll("the harness's group is there", || groups(&own).is_empty()).await;
    }
}

#[tokio::test]
async fn the_groups_of_a_program_that_is_not_there_are_removed() {
    for spawner in with(&[Choice::CgroupV2]) {
        let (task, _, supervisor, [own, _]) = start(&spawner).await;
        assert!(spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean());
        let limits = Limits { pids: Some(10), memory: Some(64 << 20), ..Limits::default() };
        let spec = TaskSpec::new(["/does/not/exist"]).limits(limits);
        spawner.spawn_task(&spec).await.unwrap_err();
        assert_eq!(groups(&format!("spawner-{supervisor}-")), Vec::<std::path::PathBuf>::new());
        spawner.shutdown().await.unwrap();
        assert_eq!(groups(&own), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn a_group_that_could_not_be_made_is_made_when_it_can_be() {
    for other in with(&[Choice::CgroupV2]) {
        let (task, _, _, [own, _]) = start(&other).await;
        // Below the group of another spawner, whose descendants are counted.
        let parent = groups(&own)[0].join("limited");
        std::fs::create_dir(&parent).unwrap();
        std::fs::write(parent.join("cgroup.max.descendants"), "1").unwrap();
        let cgroup_parent = Some(parent.clone());
        let config = ProcessConfig { mechanism: Choice::CgroupV2, cgroup_parent, ..ProcessConfig::default() };
        let spawner = ProcessSpawner::new(config).unwrap();
        spawner.spawn_task(&TaskSpec::new(["true"])).await.unwrap_err();
        std::fs::write(parent.join("cgroup.max.descendants"), "max").unwrap();
        let task_of = spawner.spawn_task(&TaskSpec::new(["true"])).await.unwrap();
        assert!(spawner.destroy_task(&task_of, &Teardown::default()).await.is_clean());
        spawner.shutdown().await.unwrap();
        std::fs::remove_dir(&parent).unwrap();
        assert!(other.destroy_task(&task, &Teardown::at_once()).await.is_clean());
        other.shutdown().await.unwrap();
    }
}
