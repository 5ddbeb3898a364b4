//! Containers that an engine was asked to make, and nobody heard whether it did.

#[path = "common/harness.rs"]
mod harness;
#[path = "common/proxy.rs"]
mod proxy;
#[path = "common/scratch.rs"]
mod scratch;

use std::time::Duration;

use harness::{Harness, config, records, spawner, state, until};
use proxy::{Fault, Proxy};
use scratch::Scratch;
use spawner_core::{CleanupOutcome, ErrorKind, ResourceKind, Spawner as _, TaskSpec, Verdict};
use spawner_podman::{PodmanConfig, PodmanSpawner};

#[test]
#[ignore = "a process of the other tests"]
fn a_harness() {
    harness::be();
}

/// A harness whose request to make a container comes to this.
fn asking(scratch: &Scratch, fault: Fault) -> (Proxy, Harness) {
    let proxy = Proxy::before(&scratch.address(), &scratch.folder().join("proxy.sock"));
    proxy.spoil_next("POST", "/containers/create", fault);
    let config = PodmanConfig { socket: Some(proxy.address()), ..config(scratch) };
    let harness = Harness::start_with(scratch, &[TaskSpec::new(["sleep", "300"])], &config);
    let asked = || proxy.requests().iter().any(|line| line.contains("/containers/create"));
    until("it is not asked for", asked);
    (proxy, harness)
}

/// The name is all that is known, and somebody else's container has it.
#[tokio::test]
async fn a_signal_does_not_reach_a_stranger_who_has_the_name() {
    let Some(scratch) = Scratch::up() else { return };
    let (_proxy, harness) = asking(&scratch, Fault::Swallow);
    let record = records(&scratch).remove(0);
    let name = format!("spawner-{}", record.id);
    let image = "localhost/busybox:latest";
    scratch.podman(&["run", "--detach", "--name", &name, "--network=none", image, "sleep", "300"]);
    let other = spawner(&scratch);
    let task = other.recover_task(&record).await.unwrap();
    let signalled = other.signal_task(&task, 9).await;
    let running = scratch.podman(&["ps", "--format", "{{.Names}}"]);
    scratch.podman(&["rm", "--force", "--time=0", &name]);
    harness.dies();
    assert_eq!(signalled.unwrap_err().kind(), ErrorKind::UnknownTask);
    assert_eq!(running.trim(), name, "the stranger was killed");
}

/// Nothing was seen, which proves nothing: the container is named, and what removes it.
fn is_named(outcome: &CleanupOutcome) {
    assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:#?}");
    let name = format!("spawner-{}", outcome.task());
    let mut leftovers = outcome.leftovers().map(|left| left.resource().clone());
    let container = leftovers.find(|one| one.kind == ResourceKind::Container && one.id == name);
    let remedy = container.unwrap_or_else(|| panic!("{outcome:#?}")).remedy.unwrap_or_default();
    assert!(remedy.contains(&format!("rm --force --volumes {name}")), "{remedy}");
}

/// Longer than anybody waits for it.
const LATE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn what_is_made_after_its_start_was_given_up_is_named_and_ended_with_the_harness() {
    let Some(scratch) = Scratch::up() else { return };
    let proxy = Proxy::before(&scratch.address(), &scratch.folder().join("proxy.sock"));
    // What knows nothing of it may answer in the engine's place.
    for answer in ["", "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"] {
        proxy.spoil_next("POST", "/containers/create", Fault::Late(LATE, answer));
    }
    let config = PodmanConfig { socket: Some(proxy.address()), ..config(&scratch) };
    let spawner = PodmanSpawner::named("box", config).unwrap();
    let spec = TaskSpec::new(["sleep", "300"]);
    let (one, other) = tokio::join!(spawner.spawn_task(&spec), spawner.spawn_task(&spec));
    for error in [one.unwrap_err(), other.unwrap_err()] {
        is_named(error.cleanup().unwrap_or_else(|| panic!("something may have been made: {error}")));
    }
    until("they are not made", || scratch.containers().lines().count() == 2);
    spawner.shutdown().await.unwrap();
    assert_eq!((records(&scratch).len(), scratch.containers().as_str()), (0, ""));
}

#[tokio::test]
async fn what_is_made_after_its_harness_died_is_named_by_the_first_sweep_and_ended_by_the_next() {
    let Some(scratch) = Scratch::up() else { return };
    let (_proxy, harness) = asking(&scratch, Fault::Late(LATE, ""));
    harness.dies_with_its_helper();
    let sweeper = spawner(&scratch);
    let outcomes = sweeper.sweep().await;
    assert_eq!((outcomes.len(), records(&scratch).len()), (1, 1), "{outcomes:#?}");
    is_named(&outcomes[0]);
    until("it is not made", || scratch.containers().lines().count() == 1);
    let outcomes = spawner(&scratch).sweep().await;
    assert!(outcomes.len() == 1 && outcomes[0].is_clean(), "{outcomes:#?}");
    assert_eq!((records(&scratch).len(), scratch.containers().as_str()), (0, ""));
}

#[tokio::test]
async fn what_was_asked_for_long_ago_and_is_not_there_does_not_come_any_more() {
    let Some(scratch) = Scratch::up() else { return };
    let (_proxy, harness) = asking(&scratch, Fault::Swallow);
    harness.dies_with_its_helper();
    let page = state(&scratch).join(format!("{}.task", records(&scratch).remove(0).id));
    for (created, wanted) in
        [("2999-12-31T00:00:00Z", Verdict::Unverified), ("2020-01-01T00:00:00Z", Verdict::Clean)]
    {
        let text = std::fs::read_to_string(&page).unwrap();
        let (before, after) = text.split_once("\"created\":\"").unwrap();
        let (_, after) = after.split_once('"').unwrap();
        std::fs::write(&page, format!("{before}\"created\":\"{created}\"{after}")).unwrap();
        let outcomes = spawner(&scratch).sweep().await;
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(outcome.verdict(), wanted, "{created}: {outcome:#?}");
        assert_eq!(page.exists(), wanted != Verdict::Clean, "{created}");
    }
}
