//! Engines that are killed or stopped while they are needed.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use spawner_core::{CleanupOutcome, ResourceKind, Spawner, Task, Teardown, Verdict};

use crate::engine::{Service, backend, containers, given, is_alive, marked, podman, stubborn};
use crate::meddler::{Deed, Meddler, name_in};

/// Half a second of grace, in which something befalls the engine, and two for the rest.
fn teardown() -> Teardown {
    Teardown::default().grace(Duration::from_millis(500)).deadline(Duration::from_secs(2))
}

/// Destroys the task while `fault` befalls the engine, 200 ms later.
async fn destroy_while(spawner: &dyn Spawner, task: &Task, fault: impl FnOnce()) -> CleanupOutcome {
    let teardown = teardown();
    let began = Instant::now();
    let destroying = spawner.destroy_task(task, &teardown);
    let (outcome, ()) = tokio::join!(destroying, async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        fault();
    });
    let allowed = teardown.linger + teardown.grace + teardown.deadline + Teardown::SLACK;
    let took = began.elapsed();
    assert!(took < allowed + Duration::from_secs(1), "it took {took:?}, and {allowed:?} are allowed");
    outcome
}

/// The container could not be asked after, and everything says so; its processes are gone all the same.
fn is_accounted_for(outcome: &CleanupOutcome, task: &Task, id: &str) {
    assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome}");
    let leftover = outcome
        .leftovers()
        .map(|leftover| leftover.resource().clone())
        .find(|resource| resource.kind == ResourceKind::Container)
        .unwrap_or_else(|| panic!("no container is named: {outcome}"));
    assert_eq!(leftover.id, id);
    assert!(leftover.reason.is_some_and(|why| !why.is_empty()), "{outcome}");
    let remedy = leftover.remedy.unwrap_or_default();
    assert!(remedy.contains("rm") && remedy.contains(id), "the remedy is `{remedy}`");
    assert!(!is_alive(task), "the engine was silent, and the processes were spared: {outcome}");
    let process = outcome.leftovers().find(|leftover| leftover.resource().kind == ResourceKind::Process);
    assert!(process.is_none(), "false dirty: {outcome}");
}

fn one(address: &str, task: &Task) -> String {
    let found = containers(address, task);
    assert_eq!(found.len(), 1, "one container should be there: {found:?}");
    found.into_iter().next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_killed_in_mid_destroy_is_unverified_and_clean_when_it_is_back() {
    let Some(steady) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path());
    let spawner = backend(&service.address(), folder.path());
    let task = spawner.spawn_task(&stubborn()).await.unwrap();
    let id = one(&steady, &task);
    let outcome = destroy_while(&spawner, &task, || service.kill()).await;
    is_accounted_for(&outcome, &task, &id);
    assert_eq!(one(&steady, &task), id, "nobody was there to remove it");
    service.revive();
    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
    assert!(outcome.is_clean(), "{outcome}");
    assert_eq!(containers(&steady, &task), [""; 0]);
    spawner.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_stopped_in_mid_destroy_is_unverified_and_clean_when_it_goes_on() {
    let Some(steady) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let spawner = backend(&service.address(), folder.path());
    let task = spawner.spawn_task(&stubborn()).await.unwrap();
    let id = one(&steady, &task);
    let outcome = destroy_while(&spawner, &task, || service.signal(Signal::STOP)).await;
    service.signal(Signal::CONT);
    is_accounted_for(&outcome, &task, &id);
    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
    assert!(outcome.is_clean(), "{outcome}");
    assert_eq!(containers(&steady, &task), [""; 0]);
    spawner.shutdown().await.unwrap();
}

/// What the message tells a person to type does what it says.
#[tokio::test(flavor = "multi_thread")]
async fn the_remedy_that_is_named_removes_the_container() {
    let Some(steady) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path());
    let spawner = backend(&service.address(), folder.path());
    let task = spawner.spawn_task(&stubborn()).await.unwrap();
    let outcome = destroy_while(&spawner, &task, || service.kill()).await;
    service.revive();
    let remedy = outcome.leftovers().find_map(|leftover| leftover.resource().remedy.clone());
    let remedy = remedy.unwrap_or_else(|| panic!("no remedy: {outcome}"));
    let typed = std::process::Command::new("sh").args(["-c", &remedy]).output().unwrap();
    assert!(typed.status.success(), "`{remedy}`: {}", String::from_utf8_lossy(&typed.stderr));
    assert_eq!(containers(&steady, &task), [""; 0], "`{remedy}` removed nothing");
    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
    assert!(outcome.is_clean(), "{outcome}");
    spawner.shutdown().await.unwrap();
}

/// The program runs, and the engine says nothing any more: it is ended all the same, whether somebody waits for the
/// start or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_its_engine_does_not_survive_leaves_no_process() {
    let Some(steady) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let meddler = Meddler::start(folder.path(), &steady);
    let spawner = backend(meddler.address(), folder.path());
    for is_dropped in [false, true] {
        let (asked, mut is_silent) = (Arc::new(OnceLock::new()), false);
        let told = Arc::clone(&asked);
        meddler.plan(move |request| {
            let (line, _) = request.split_once('\n').unwrap_or_default();
            match line {
                _ if is_silent => return Deed::Refuse(""),
                _ if line.contains("/containers/create") => {
                    told.set(name_in(request).to_owned()).expect("it is asked for once");
                }
                _ => is_silent = line.contains("/start "),
            }
            match is_silent {
                true if is_dropped => Deed::WithholdReply,
                true => Deed::LoseReply,
                false => Deed::Pass,
            }
        });
        let running = || asked.get().map_or_else(Vec::new, |name| marked(name));
        let spec = stubborn();
        let error = {
            let start = std::pin::pin!(spawner.spawn_task(&spec));
            tokio::select! {
                started = start => Some(started.map(|task| task.id()).expect_err("nobody says that it was started")),
                () = some_time(|| is_dropped && running().len() == 2) => None,
            }
        };
        if error.is_none() {
            let ended = some_time(|| running().is_empty());
            tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap_or_default();
        }
        let left = running();
        meddler.plan(|_| Deed::Pass);
        let name = asked.get().expect("it was asked for");
        let removed = podman(&steady, &["rm", "--force", "--time=0", "--ignore", name]);
        assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
        assert_eq!((error.is_none(), left), (is_dropped, Vec::new()), "{error:?}");
        let cleanup = error.as_ref().map(|error| error.cleanup().expect("something was made"));
        assert!(cleanup.is_none_or(|cleanup| cleanup.verdict() == Verdict::Unverified), "{error:?}");
    }
    spawner.shutdown().await.unwrap();
}

async fn some_time(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_goes_on_without_the_engine_and_tells_the_end() {
    let Some(steady) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path());
    let spawner = backend(&service.address(), folder.path());
    let task = spawner.spawn_task(&stubborn()).await.unwrap();
    let id = one(&steady, &task);
    service.kill();
    let killed = podman(&steady, &["kill", "--signal", "KILL", &id]);
    assert!(killed.status.success(), "{}", String::from_utf8_lossy(&killed.stderr));
    let exit = tokio::time::timeout(Duration::from_secs(5), spawner.wait_task(&task)).await;
    let exit = exit.expect("the end is told although the engine is dead").unwrap();
    assert!(!exit.success(), "{exit}");
    service.revive();
    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
    assert!(outcome.is_clean(), "{outcome}");
    spawner.shutdown().await.unwrap();
}
