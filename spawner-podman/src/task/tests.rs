//! The ladder over containers that somebody else made with `podman`, as the backend itself would not make them; see
//! scripts/podman.sh.

mod trial;
mod trouble;

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{CleanupOutcome, Exit, Fate, ProcessIdentity, ResourceKind, Spawner, Teardown, Verdict};

use trial::{Trial, address, podman};

const SOON: Duration = Duration::from_secs(10);

fn fates(outcome: &CleanupOutcome) -> BTreeMap<&'static str, Vec<Fate>> {
    let mut fates: BTreeMap<&'static str, Vec<Fate>> = BTreeMap::new();
    for resource in outcome.resources() {
        fates.entry(resource.kind.name()).or_default().push(resource.fate);
    }
    fates
}

fn quick() -> Teardown {
    Teardown::default().grace(Duration::from_millis(500))
}

#[tokio::test]
async fn what_ended_by_itself_is_removed_with_its_volume_and_storage() {
    let Some(address) = address() else { return };
    let trial = Trial::of(&address, &["--volume=/data"], &["sleep", "1"]).await;
    assert_eq!(trial.volumes.len(), 1);
    assert_eq!(trial.ender.wait_task(&trial.task).await.unwrap(), Exit::Exited { code: 0 });
    let (outcome, took) = trial.destroy(&Teardown::default()).await;
    assert!(outcome.is_clean() && !outcome.escalated(), "{outcome} {:?}", outcome.resources());
    println!("{took:?}");
    let fates = fates(&outcome);
    assert_eq!(fates["process"], [Fate::Exited]);
    for kind in ["container", "volume", "storage"] {
        assert_eq!(fates[kind], [Fate::Removed], "{kind}");
    }
    trial.assert_nothing_left();
}

#[tokio::test]
async fn what_ended_before_anybody_saw_its_first_process_is_proved_gone_too() {
    let Some(address) = address() else { return };
    let mut trial = Trial::of(&address, &[], &["sleep", "1"]).await;
    let has_groups = trial.has_groups();
    trial.ender.wait_task(&trial.task).await.unwrap();
    let live = Arc::get_mut(&mut trial.ender.live).unwrap();
    live.local = None;
    let (outcome, _) = trial.destroy(&Teardown::default()).await;
    let wanted = if has_groups { Verdict::Clean } else { Verdict::Unverified };
    assert_eq!(outcome.verdict(), wanted, "{outcome} {:?}", outcome.resources());
    assert!(!outcome.escalated());
    trial.assert_nothing_left();
}

#[tokio::test]
async fn what_cannot_hear_as_the_first_process_costs_no_grace() {
    let Some(address) = address() else { return };
    let trial = Trial::of(&address, &[], &["sleep", "1000"]).await;
    let (outcome, took) = trial.destroy(&Teardown::default()).await;
    assert!(outcome.is_clean() && !outcome.escalated(), "{outcome}");
    assert_eq!(fates(&outcome)["process"], [Fate::Terminated]);
    assert!(took < Duration::from_secs(3), "{took:?}");
    trial.assert_nothing_left();
}

#[tokio::test]
async fn what_ignores_the_request_is_killed_after_the_grace() {
    let Some(address) = address() else { return };
    let argv = ["sh", "-c", "trap '' TERM; touch /up; while :; do sleep 0.1; done"];
    let trial = Trial::of(&address, &[], &argv).await;
    let deadline = Instant::now() + SOON;
    while Command::new("podman")
        .args(["exec", &trial.id, "test", "-e", "/up"])
        .status()
        .is_ok_and(|s| !s.success())
    {
        assert!(Instant::now() < deadline);
    }
    let (outcome, took) = trial.destroy(&quick()).await;
    assert!(outcome.is_clean() && outcome.escalated(), "{outcome}");
    assert!(fates(&outcome)["process"].contains(&Fate::Killed));
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(4), "{took:?}");
    trial.assert_nothing_left();
}

#[tokio::test]
async fn what_is_paused_hears_the_request() {
    let Some(address) = address() else { return };
    let argv = ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"];
    let trial = Trial::of(&address, &[], &argv).await;
    if !trial.can_be_paused() {
        return;
    }
    await_processes(&trial, 2);
    podman(&["pause", &trial.id]);
    let (outcome, _) = trial.destroy(&Teardown::default()).await;
    assert!(outcome.is_clean() && !outcome.escalated(), "{outcome}");
    assert_eq!(trial.ender.wait_task(&trial.task).await.unwrap(), Exit::Exited { code: 7 });
    trial.assert_nothing_left();
}

#[tokio::test]
async fn what_is_paused_and_never_asked_is_killed() {
    let Some(address) = address() else { return };
    let trial = Trial::of(&address, &[], &["sh", "-c", "trap '' TERM; sleep 1001 & sleep 1000; true"]).await;
    if !trial.can_be_paused() {
        return;
    }
    podman(&["pause", &trial.id]);
    let (outcome, took) = trial.destroy(&Teardown::at_once()).await;
    assert!(outcome.is_clean() && outcome.escalated(), "{outcome}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    trial.assert_nothing_left();
}

#[tokio::test]
async fn an_exec_session_goes_with_its_monitor_that_would_wait_for_minutes() {
    let Some(address) = address() else { return };
    let trial = Trial::of(&address, &[], &["sleep", "1000"]).await;
    // With `--url` podman lets the monitor linger; by itself it does not.
    podman(&["--url", &address, "exec", "--detach", &trial.id, "sleep", "0.1"]);
    podman(&["--url", &address, "exec", "--detach", &trial.id, "sleep", "1001"]);
    await_processes(&trial, 2);
    let (outcome, took) = trial.destroy(&Teardown::default()).await;
    assert!(outcome.is_clean(), "{outcome}");
    assert_eq!(fates(&outcome)["exec-session"], [Fate::Removed, Fate::Removed]);
    assert!(took < Duration::from_secs(3), "{took:?}");
    trial.assert_nothing_left();
}

#[tokio::test]
async fn what_is_to_be_restarted_for_ever_does_not_come_back() {
    let Some(address) = address() else { return };
    for teardown in [Teardown::default(), Teardown::at_once()] {
        let trial = Trial::of(&address, &["--restart=always"], &["sleep", "1000"]).await;
        let (outcome, took) = trial.destroy(&teardown).await;
        assert!(outcome.is_clean(), "{outcome}");
        assert!(took < Duration::from_secs(8), "{took:?}");
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            trial.assert_nothing_left();
        }
    }
}

#[tokio::test]
async fn what_was_removed_behind_the_back_is_proved_gone() {
    let Some(address) = address() else { return };
    let trial = Trial::of(&address, &["--volume=/data"], &["sleep", "1000"]).await;
    podman(&["rm", "--force", "--time=0", "--volumes", &trial.id]);
    let (outcome, _) = trial.destroy(&Teardown::default()).await;
    assert!(outcome.is_clean() && !outcome.escalated(), "{outcome} {:?}", outcome.resources());
    assert_eq!(fates(&outcome)["container"], [Fate::AlreadyGone]);
    trial.assert_nothing_left();
}

/// Every process that has the task's mark in its environment.
fn processes_of(trial: &Trial) -> Vec<ProcessIdentity> {
    let mark = format!("SPAWNER_TASK_ID={}", trial.task.id());
    let marked = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(marked).filter_map(ProcessIdentity::of).collect()
}

/// Waits until so many run.
fn await_processes(trial: &Trial, wanted: usize) -> Vec<ProcessIdentity> {
    let deadline = Instant::now() + SOON;
    loop {
        let found = processes_of(trial);
        if found.len() >= wanted {
            return found;
        }
        assert!(Instant::now() < deadline, "{wanted} wanted: {found:?}");
    }
}

const ESCAPES: &str = "setsid sh -c 'trap \"\" TERM; sleep 1001 & sleep 1002; true' & sleep 1";

#[tokio::test]
async fn what_runs_among_the_host_s_processes_leaves_none() {
    let Some(address) = address() else { return };
    let trial = Trial::of(&address, &["--pid=host"], &["sh", "-c", ESCAPES]).await;
    let before = await_processes(&trial, 4);
    trial.ender.wait_task(&trial.task).await.unwrap();
    let (outcome, _) = trial.destroy(&quick()).await;
    let wanted = if trial.has_groups() { Verdict::Clean } else { Verdict::Unverified };
    assert_eq!(outcome.verdict(), wanted, "{outcome} {:?}", outcome.resources());
    assert!(!before.iter().any(ProcessIdentity::is_alive), "{before:?}");
    trial.assert_nothing_left();
}
