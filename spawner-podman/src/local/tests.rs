//! On real containers, which `podman` starts; see scripts/podman.sh.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use spawner_core::{AskScope, TaskId};
use tokio::time::timeout;

use super::*;

const IMAGE: &str = "localhost/busybox:latest";
const SOON: Duration = Duration::from_secs(10);

fn podman(arguments: &[&str]) -> Output {
    let mut command = Command::new("podman");
    command
        .args(arguments)
        .output()
        .expect("podman runs: `scripts/podman.sh up DIR` makes an engine for tests")
}

fn say(output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "podman: {error}; `scripts/podman.sh up DIR` makes an engine for tests");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A container, removed when dropped.
struct Box(String);

impl Box {
    /// `None` where somebody wants no such tests.
    fn run(options: &[&str], argv: &[&str]) -> Option<Self> {
        if std::env::var("SPAWNER_SKIP").is_ok_and(|skip| skip.split(',').any(|name| name == "podman")) {
            println!("skipped: SPAWNER_SKIP names podman");
            return None;
        }
        // Never among the user's own containers.
        let own = std::env::var_os("CONTAINER_HOST").is_some();
        assert!(own, "run `eval \"$(scripts/podman.sh up DIR)\"` first, or set SPAWNER_SKIP=podman");
        let common = ["run", "--detach", "--network=none", "--log-driver=none"];
        let id = say(podman(&[&common[..], options, &[IMAGE], argv].concat()));
        Some(Self(id))
    }

    fn exec(&self, argv: &[&str]) {
        say(podman(&[&["exec", "--detach", &self.0], argv].concat()));
    }

    fn local(&self) -> Local {
        let pid = say(podman(&["inspect", "--format", "{{.State.Pid}}", &self.0])).parse().unwrap();
        Local::at(pid, &self.0, None).unwrap().expect("its first process is one of this host")
    }
}

impl Drop for Box {
    fn drop(&mut self) {
        say(podman(&["rm", "--force", "--time=0", "--volumes", &self.0]));
    }
}

/// Waits until this many run.
async fn members(local: &Local, wanted: usize) -> Vec<Member> {
    let deadline = Instant::now() + SOON;
    loop {
        let members = local.members().unwrap();
        if members.len() == wanted {
            return members;
        }
        assert!(Instant::now() < deadline, "{wanted} wanted: {members:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_exec_session_s_process_is_a_member_and_has_a_shim_of_its_own() {
    let Some(container) = Box::run(&[], &["sleep", "1000"]) else { return };
    container.exec(&["sleep", "1001"]);
    let local = container.local();
    let members = members(&local, 2).await;
    assert!(members.iter().any(|member| member.identity == local.init));
    assert!(local.cannot_miss() && local.own_pids && local.shim.is_some());
    assert_eq!(local.shims(false).await.unwrap().len(), 1);
    assert_eq!(local.shims(true).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_has_no_groups_is_seen_by_its_namespace_and_those_in_it() {
    let Some(container) = Box::run(&["--privileged"], &["sleep", "1000"]) else { return };
    container.exec(&[
        "unshare",
        "-p",
        "-f",
        "sh",
        "-c",
        "(sleep 1001 & sleep 1002 & sleep 1003 &); sleep 1004; true",
    ]);
    let mut local = container.local();
    // The shells between them come and go before all of these sleep.
    let deadline = Instant::now() + SOON;
    let by_group = loop {
        let found = local.members().unwrap();
        if found.len() == 7 && found.iter().filter(|member| member.name == "sleep").count() == 5 {
            break found;
        }
        assert!(Instant::now() < deadline, "seven wanted, of which five sleep: {found:?}");
        sleep(Duration::from_millis(5)).await;
    };
    local.namespace = Some(Namespace::of(local.init.pid.cast_signed()).unwrap());
    local.groups.clear();
    let by_namespace = members(&local, 7).await;
    // Their names and states may change between the two looks.
    let who = |members: &[Member]| members.iter().map(|member| member.identity.clone()).collect::<Vec<_>>();
    assert_eq!(who(&by_group), who(&by_namespace));
    for member in by_namespace {
        assert!(local.marks().has(member.pid()), "{member:?}");
    }
    assert!(!local.marks().has(std::process::id().cast_signed()));
    timeout(SOON, local.force()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_first_process_that_cannot_hear_ends_once_the_others_who_were_asked_have() {
    let Some(container) = Box::run(&[], &["sleep", "1000"]) else { return };
    container.exec(&["sh", "-c", "trap 'sleep 1; exit' TERM; touch /tmp/up; while :; do sleep 0.1; done"]);
    let local = container.local();
    let deadline = Instant::now() + SOON;
    while !podman(&["exec", &container.0, "test", "-e", "/tmp/up"]).status.success() {
        assert!(Instant::now() < deadline);
    }
    let began = Instant::now();
    local.ask(AskScope::All).unwrap();
    tokio::select! {
        emptied = timeout(SOON, local.emptied()) => emptied.unwrap().unwrap(),
        heard = local.make_heard() => panic!("{heard:?}"),
    }
    assert!(
        began.elapsed() >= Duration::from_millis(900),
        "who was asked had no time: {:?}",
        began.elapsed()
    );
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_first_process_that_ignores_the_request_is_let_be() {
    let Some(container) = Box::run(&[], &["sh", "-c", "trap '' TERM; exec sleep 1000"]) else { return };
    let local = container.local();
    let deadline = Instant::now() + SOON;
    while local.is_deaf() {
        assert!(Instant::now() < deadline);
    }
    local.ask(AskScope::All).unwrap();
    let ended = tokio::select! {
        ended = timeout(Duration::from_millis(500), local.emptied()) => ended.is_ok(),
        heard = local.make_heard() => panic!("{heard:?}"),
    };
    assert!(!ended, "what ignores the request was ended all the same");
}

#[tokio::test]
async fn what_runs_among_the_host_s_processes_is_ended_with_all_that_left_its_session() {
    let script =
        "setsid sh -c 'trap \"\" TERM; sleep 1001 & sleep 1002' & setsid setsid sleep 1003 & sleep 1000";
    let mark = format!("SPAWNER_TASK_ID={}", TaskId::random());
    let environment = format!("--env={mark}");
    let Some(container) = Box::run(&["--pid=host", &environment], &["sh", "-c", script]) else { return };
    let mut local = container.local();
    assert!(!local.own_pids);
    assert_eq!(local.cannot_miss(), !local.groups.is_empty());
    // Where there is no group to tell them, the mark does, but for who took it off.
    local.mark = Some(mark);
    let seen = members(&local, 4).await;
    timeout(SOON, local.force()).await.unwrap().unwrap();
    assert!(seen.iter().all(|member| !member.identity.is_alive()), "{seen:?}");
}

#[tokio::test]
async fn what_is_paused_dies_too() {
    let Some(container) = Box::run(&[], &["sh", "-c", "sleep 1001 & sleep 1000; true"]) else { return };
    let local = container.local();
    members(&local, 3).await;
    if local.groups.is_empty() {
        return println!("skipped: this engine gives containers no control groups, and so cannot pause them");
    }
    say(podman(&["pause", &container.0]));
    assert!(local.is_frozen());
    timeout(SOON, local.force()).await.unwrap().unwrap();
    assert!(local.has_ended() && local.members().unwrap().is_empty());
}

#[tokio::test]
async fn an_exec_session_whose_shim_is_stopped_keeps_nothing_alive() {
    let Some(container) = Box::run(&[], &["sleep", "1000"]) else { return };
    container.exec(&["sleep", "1001"]);
    let local = container.local();
    members(&local, 2).await;
    for shim in local.shims(true).await.unwrap() {
        if Some(&shim) != local.shim.as_ref() {
            Pidfd::of(&shim).unwrap().unwrap().signal(rustix::process::Signal::STOP).unwrap();
        }
    }
    timeout(SOON, local.force()).await.unwrap().unwrap();
    assert!(local.has_ended());
}

#[tokio::test]
async fn an_exit_with_137_is_no_kill_and_a_kill_is_no_exit() {
    if !exit_is_told() {
        return println!("skipped: this kernel does not tell how a process ended that is no child");
    }
    let Some(container) = Box::run(&[], &["sh", "-c", "sleep 0.3; exit 137"]) else { return };
    let local = container.local();
    timeout(SOON, local.ended()).await.unwrap();
    assert_eq!(local.status().and_then(|status| status.code()), Some(137));

    let Some(container) = Box::run(&[], &["sleep", "1000"]) else { return };
    let local = container.local();
    say(podman(&["kill", &container.0]));
    timeout(SOON, local.ended()).await.unwrap();
    assert_eq!(local.status().and_then(|status| status.signal()), Some(9));
}

#[tokio::test]
async fn it_is_found_again_by_what_was_written_down() {
    let Some(container) = Box::run(&[], &["sleep", "1000"]) else { return };
    let local = container.local();
    let endpoint = crate::engine::Endpoint {
        address: "unix:///nowhere".into(),
        private: false,
        settings: std::collections::BTreeMap::new(),
    };
    let mut traces = Traces::of("name", endpoint);
    traces.learn(&local);
    let again = Local::recall(&traces).unwrap();
    assert!(!again.has_ended());
    members(&again, 1).await;
    timeout(SOON, again.force()).await.unwrap().unwrap();
    let after = Local::recall(&traces).unwrap();
    assert!(after.has_ended() && after.members().unwrap().is_empty());
    timeout(SOON, after.ended()).await.unwrap();
}

#[test]
fn a_process_that_has_nothing_to_do_with_the_container_is_not_taken_for_it() {
    let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert!(Local::at(std::process::id().cast_signed(), id, None).unwrap().is_none());
}

#[tokio::test]
async fn a_container_that_runs_is_found_by_its_id_alone() {
    let Some(container) = Box::run(&[], &["sleep", "1000"]) else { return };
    let local = container.local();
    let (found, known) = (groups::named_after(&container.0).unwrap(), local.groups());
    if known.is_empty() {
        assert!(!has_nothing_of(&container.0, true).await.unwrap());
        return println!("skipped: this engine gives containers no control groups");
    }
    assert!(known.iter().all(|group| found.contains(group)), "{found:?} {known:?}");
    assert!(!has_nothing_of(&container.0, false).await.unwrap());
    let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert!(has_nothing_of(id, false).await.unwrap());
}
