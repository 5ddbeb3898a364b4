//! A harness that is killed: the far end ends by itself, nothing stays here, and its helper, or a sweep, proves it.

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::lock::Witness;
use common::sshd::Sshd;
use common::until;
use rustix::process::{Pid, Signal, kill_process};
use spawner_core::{CleanupOutcome, Input, Output, Spawner as _, TaskSpec};
use spawner_remote::{RemoteConfig, RemoteSpawner};

const CONFIG: &str = "SPAWNER_TEST_CONFIG";
const SCRIPT: &str = "SPAWNER_TEST_SCRIPT";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Not a test of its own: the harness that the others kill.
#[test]
#[ignore = "it is started by the other tests"]
fn harness() {
    let config: RemoteConfig = serde_json::from_str(&std::env::var(CONFIG).unwrap()).unwrap();
    runtime().block_on(async {
        let spawner = RemoteSpawner::named("lab", config).unwrap();
        let script = std::env::var(SCRIPT).unwrap();
        let spec = TaskSpec::new(["/bin/sh", "-c", &script]);
        let spec = spec.stdin(Input::Null).stdout(Output::Null).stderr(Output::Null);
        let task = spawner.spawn_task(&spec).await.unwrap();
        println!("\nstarted {}", task.id());
        if std::io::stdin().read(&mut [0]).unwrap() > 0 {
            drop(spawner.spawn_task(&spec).await);
        }
        std::future::pending::<()>().await;
    });
}

fn started(config: &RemoteConfig, script: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harness", "--ignored", "--nocapture"])
        .env(CONFIG, serde_json::to_string(config).unwrap())
        .env(SCRIPT, script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().starts_with("started "));
    assert!(line.is_some(), "the harness started nothing");
    child
}

/// The ssh programs of this test's server that run here.
fn clients(sshd: &Sshd) -> usize {
    let key = sshd.at("user").display().to_string();
    let mut found = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&words);
        found += usize::from(text.starts_with("ssh\0") && text.contains(&key));
    }
    found
}

#[test]
fn a_killed_harness_leaves_nothing_on_either_side() {
    for (account, silent) in [("root", false), ("tester", false), ("tester", true)] {
        let sshd = Sshd::start("");
        let config = sshd.config(account);
        let witness = Witness::new();
        let script =
            witness.hold("trap '' TERM; setsid -f sh -c 'trap \"\" TERM; sleep 7711; :'; sleep 7712; :");
        let mut harness = started(&config, &script);
        until("it holds the lock", common::PATIENCE, || !witness.all_gone());
        assert!(clients(&sshd) >= 1 && sshd.records().len() == 1);
        let stopped = if silent { sshd.connections() } else { Vec::new() };
        for one in &stopped {
            kill_process(*one, Signal::STOP).unwrap();
        }
        harness.kill().unwrap();
        harness.wait().unwrap();
        let began = Instant::now();
        let lease = Duration::from_secs(if silent { config.lease.into() } else { 0 });
        until("the far end ends it", lease + Duration::from_secs(1), || witness.all_gone());
        println!("{account}, silent {silent}: {:?}", began.elapsed());
        until("its record is closed", lease + Duration::from_secs(3), || sshd.records().is_empty());
        println!("{account}, silent {silent}: closed after {:?}", began.elapsed());
        until("no ssh program is left", Duration::from_secs(3), || clients(&sshd) == 0);
        for one in stopped {
            kill_process(one, Signal::CONT).unwrap();
        }
        assert_eq!(swept(&config).len(), 0);
        until("no connection is left", common::PATIENCE, || sshd.connections().is_empty());
    }
}

fn swept(config: &RemoteConfig) -> Vec<CleanupOutcome> {
    let outcomes = swept_once(config);
    assert!(swept_once(config).is_empty());
    outcomes
}

fn swept_once(config: &RemoteConfig) -> Vec<CleanupOutcome> {
    runtime().block_on(async {
        let spawner = RemoteSpawner::named("lab", config.clone()).unwrap();
        let outcomes = spawner.sweep().await;
        spawner.shutdown().await.unwrap();
        outcomes
    })
}

/// The helpers of a harness of this test: its children by that name.
fn helpers(harness: &Child) -> Vec<Pid> {
    let children = common::children(harness.id()).into_iter();
    let helpers = children.filter(|child| child.name == "spawner-keep");
    helpers.filter_map(|child| Pid::from_raw(child.pid.cast_signed())).collect()
}

#[test]
fn what_a_harness_and_its_helper_left_is_swept() {
    for account in ["root", "tester"] {
        let sshd = Sshd::start("");
        let config = sshd.config(account);
        let witness = Witness::new();
        let mut harness = started(&config, &witness.hold("sleep 7714"));
        until("it holds the lock", common::PATIENCE, || !witness.all_gone());
        kill_process(Pid::from_child(&harness), Signal::STOP).unwrap();
        let helper = helpers(&harness);
        assert_eq!(helper.len(), 1);
        kill_process(helper[0], Signal::KILL).unwrap();
        harness.kill().unwrap();
        harness.wait().unwrap();
        until("the far end ends it", Duration::from_secs(2), || witness.all_gone());
        assert_eq!(sshd.records().len(), 1);
        let outcomes = swept(&config);
        assert_eq!(outcomes.len(), 1);
        // Its guardian has written down that all of it was gone.
        assert!(outcomes[0].is_clean(), "{:?}", outcomes[0]);
        assert!(sshd.records().is_empty());
        until("no connection is left", common::PATIENCE, || sshd.connections().is_empty());
    }
}

#[test]
fn a_harness_that_dies_while_its_host_cannot_be_reached_leaves_a_record_for_a_sweep() {
    let sshd = Sshd::start("");
    let config = RemoteConfig { connect_timeout: 1, ..sshd.config("tester") };
    let witness = Witness::new();
    let mut harness = started(&config, &witness.hold("sleep 7715"));
    until("it holds the lock", common::PATIENCE, || !witness.all_gone());
    let helper = helpers(&harness)[0].as_raw_nonzero().get().cast_unsigned();
    let stopped: Vec<_> = sshd.connections().into_iter().chain([sshd.pid()]).collect();
    for one in &stopped {
        kill_process(*one, Signal::STOP).unwrap();
    }
    harness.kill().unwrap();
    harness.wait().unwrap();
    until("the lease is over", Duration::from_secs(4), || witness.all_gone());
    until("the helper gives up", Duration::from_secs(20), || !common::runs(helper));
    assert_eq!((sshd.records().len(), clients(&sshd)), (1, 0));
    for one in stopped {
        kill_process(one, Signal::CONT).unwrap();
    }
    let outcomes = swept(&config);
    assert!(outcomes.len() == 1 && outcomes[0].is_clean(), "{outcomes:?}");
    assert!(sshd.records().is_empty());
}

#[test]
fn what_the_far_end_was_never_told_of_is_clean_without_asking() {
    let sshd = Sshd::start("");
    let config = RemoteConfig { connect_timeout: 1, ..sshd.config("tester") };
    let witness = Witness::new();
    let mut harness = started(&config, &witness.hold("sleep 7716"));
    until("it holds the lock", common::PATIENCE, || !witness.all_gone());
    let first = sshd.records();
    for one in sshd.connections().into_iter().chain([sshd.pid()]) {
        kill_process(one, Signal::STOP).unwrap();
    }
    harness.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    until("the second one is about to start", common::PATIENCE, || sshd.records().len() == 2);
    kill_process(Pid::from_child(&harness), Signal::STOP).unwrap();
    kill_process(helpers(&harness)[0], Signal::KILL).unwrap();
    harness.kill().unwrap();
    harness.wait().unwrap();
    assert_eq!(sshd.records().len(), 2);
    // Nobody answers now, and nobody has to.
    let outcomes = swept_once(&config);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_clean()).count(), 1, "{outcomes:?}");
    assert_eq!(sshd.records(), first);
    until("the lease is over", Duration::from_secs(4), || witness.all_gone());
    for one in sshd.connections().into_iter().chain([sshd.pid()]) {
        kill_process(one, Signal::CONT).unwrap();
    }
    assert!(swept(&config)[0].is_clean());
}

#[test]
fn a_stopped_harness_is_given_up_after_its_lease_and_says_so() {
    let sshd = Sshd::start("");
    let witness = Witness::new();
    let mut harness = started(&sshd.config("tester"), &witness.hold("sleep 7713"));
    until("it holds the lock", common::PATIENCE, || !witness.all_gone());
    let pid = Pid::from_child(&harness);
    kill_process(pid, Signal::STOP).unwrap();
    let began = Instant::now();
    until("the lease is over", Duration::from_secs(4), || witness.all_gone());
    println!("{:?}", began.elapsed());
    kill_process(pid, Signal::CONT).unwrap();
    harness.kill().unwrap();
    harness.wait().unwrap();
}
