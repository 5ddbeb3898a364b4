//! What dead harnesses left is resolved by whoever sweeps next.

#[path = "common/harness.rs"]
mod harness;
#[path = "common/proxy.rs"]
mod proxy;
#[path = "common/scratch.rs"]
mod scratch;

use harness::{Harness, of_another_boot, records, spawner, state, until};
use proxy::{Fault, Proxy};
use rustix::process::Signal;
use scratch::Scratch;
use spawner_core::{CleanupOutcome, Fate, ResourceKind, Spawner as _, TaskSpec, Verdict};
use spawner_podman::PodmanConfig;

#[test]
#[ignore = "a process of the other tests"]
fn a_harness() {
    harness::be();
}

fn sleeper() -> TaskSpec {
    TaskSpec::new(["sh", "-c", "sleep 300 & exec sleep 301"])
}

fn all_clean(outcomes: &[CleanupOutcome]) {
    assert!(outcomes.iter().all(CleanupOutcome::is_clean), "{outcomes:#?}");
}

#[tokio::test]
async fn what_nobody_could_verify_is_resolved_when_the_engine_is_back() {
    let Some(scratch) = Scratch::up() else { return };
    for wound in ["stopped", "killed"] {
        Harness::start(&scratch, &[sleeper()]).ready().dies_with_its_helper();
        let id = scratch.podman(&["ps", "--quiet", "--no-trunc"]).trim().to_owned();
        match wound {
            "stopped" => scratch.signal(Signal::STOP),
            _ => scratch.kill(),
        }
        let sweeper = spawner(&scratch);
        let outcomes = sweeper.sweep().await;
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{wound}: {outcome:#?}");
        let container = outcome.resources().iter().find(|one| one.kind == ResourceKind::Container).unwrap();
        assert_eq!(container.id, id);
        let remedy = container.remedy.as_deref().unwrap();
        assert!(remedy.contains("rm --force --volumes") && remedy.contains(&id), "{remedy}");
        let runs =
            outcome.resources().iter().any(|one| one.kind == ResourceKind::Process && one.fate.is_leftover());
        assert!(!runs, "{wound}: what runs here needs no engine to be ended: {outcome:#?}");
        assert_eq!(records(&scratch).len(), 1, "{wound}");
        match wound {
            "stopped" => scratch.signal(Signal::CONT),
            _ => scratch.restart(),
        }
        let outcomes = sweeper.sweep().await;
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        all_clean(&outcomes);
        assert_eq!((records(&scratch).len(), scratch.containers().as_str()), (0, ""), "{wound}");
        assert!(sweeper.sweep().await.is_empty());
        sweeper.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn two_sweeps_at_once_resolve_each_task_once() {
    let Some(scratch) = Scratch::up() else { return };
    Harness::start(&scratch, &vec![sleeper(); 4]).ready().dies_with_its_helper();
    let living = Harness::start(&scratch, &[sleeper()]).ready();
    let (one, other) = (spawner(&scratch), spawner(&scratch));
    let (first, second) = tokio::join!(one.sweep(), other.sweep());
    let outcomes: Vec<_> = first.into_iter().chain(second).collect();
    all_clean(&outcomes);
    assert_eq!(outcomes.len(), 4);
    // The one of the harness that lives is not touched.
    assert_eq!((records(&scratch).len(), scratch.containers().lines().count()), (1, 1));
    living.dies();
    until("it is there", || scratch.containers().is_empty() && records(&scratch).is_empty());
}

#[tokio::test]
async fn what_is_on_no_record_is_found_by_its_labels() {
    let Some(scratch) = Scratch::up() else { return };
    Harness::start(&scratch, &[sleeper(), sleeper().detached()]).ready().dies_with_its_helper();
    let living = Harness::start(&scratch, &[sleeper()]).ready();
    std::fs::rename(state(&scratch), scratch.folder().join("lost")).unwrap();
    let sweeper = spawner(&scratch);
    let outcomes = sweeper.sweep().await;
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    all_clean(&outcomes);
    assert_eq!(scratch.containers().lines().count(), 2, "a living harness's, and the detached one");
    living.dies();
    until("it is there", || scratch.containers().lines().count() == 1);
    std::fs::remove_dir_all(state(&scratch)).unwrap_or_default();
    std::fs::rename(scratch.folder().join("lost"), state(&scratch)).unwrap();
    let detached = records(&scratch).into_iter().find(|record| record.logs.stdout.is_some()).unwrap();
    let task = sweeper.recover_task(&detached).await.unwrap();
    let outcome = sweeper.destroy_task(&task, &spawner_core::Teardown::at_once()).await;
    assert!(outcome.is_clean(), "{outcome:#?}");
    all_clean(&sweeper.sweep().await);
    assert_eq!((records(&scratch).len(), scratch.containers().as_str()), (0, ""));
    sweeper.shutdown().await.unwrap();
}

/// Podman leaves a volume where it is told to remove the container alone, and then nothing but the record names it.
#[tokio::test]
async fn the_volume_of_a_container_that_somebody_removed_goes_too() {
    let Some(scratch) = Scratch::up() else { return };
    let config = PodmanConfig { image: Some(scratch.image_with_volume()), ..harness::config(&scratch) };
    for has_helper in [true, false] {
        let harness = Harness::start_with(&scratch, &[sleeper()], &config).ready();
        scratch.podman(&["rm", "--all", "--force", "--time=0"]);
        let volume = scratch.volumes();
        assert_eq!(volume.lines().count(), 1, "{volume}");
        if has_helper {
            harness.dies();
            until("the record is there", || records(&scratch).is_empty());
        } else {
            harness.dies_with_its_helper();
            let outcomes = spawner(&scratch).sweep().await;
            all_clean(&outcomes);
            let mut told = outcomes.iter().flat_map(CleanupOutcome::resources);
            assert!(told.any(|one| one.id == volume && one.fate == Fate::Removed), "{outcomes:#?}");
        }
        assert_eq!((scratch.volumes(), records(&scratch).len()), (String::new(), 0), "helper: {has_helper}");
    }
}

/// What ran on this machine went down with it; what ran where the engine is did not.
#[tokio::test]
async fn a_reboot_proves_nothing_of_what_ran_elsewhere() {
    let Some(scratch) = Scratch::up() else { return };
    let proxy = Proxy::before(&scratch.address(), &scratch.folder().join("proxy.sock"));
    let config = PodmanConfig { socket: Some(proxy.address()), ..harness::config(&scratch) };
    for (elsewhere, wanted) in [(false, Verdict::Clean), (true, Verdict::Unverified)] {
        if elsewhere {
            proxy.spoil("GET", "/json", Fault::Pidless);
        }
        Harness::start_with(&scratch, &[sleeper()], &config).ready().dies_with_its_helper();
        scratch.podman(&["rm", "--all", "--force", "--time=0"]);
        of_another_boot(&scratch);
        let outcomes = spawner(&scratch).sweep().await;
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(outcome.verdict(), wanted, "elsewhere: {elsewhere}: {outcome:#?}");
    }
}
