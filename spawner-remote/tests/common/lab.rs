//! What the tests of faults have in common: tasks that hold on to life, and what is asked of every outcome.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use spawner_core::{
    CleanupOutcome, Exit, Input, Mechanism, Output, Spawner as _, Task, TaskSpec, Teardown, Verdict,
};
use spawner_remote::{RemoteConfig, RemoteSpawner};
use tokio::io::AsyncReadExt as _;

use super::canary::Canary;
use super::lock::Witness;
use super::sshd::Sshd;
use super::{PATIENCE, until};

/// The accounts of the far end.
pub const ACCOUNTS: [&str; 2] = ["root", "tester"];

/// The lease of [`Sshd::config`].
pub const LEASE: Duration = Duration::from_secs(2);

/// What this machine may take besides, to notice that something is over: the more the busier it is.
pub fn jitter() -> Duration {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let load: f64 = load.split(' ').next().unwrap().parse().unwrap();
    let cores = u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    Duration::from_millis(250).mul_f64((load / f64::from(cores)).clamp(1.0, 40.0))
}

/// A process and a daemon that ignore every request to end. The numbers are seconds, and nobody else's.
pub const STUBBORN: &str =
    "trap '' TERM HUP INT; setsid -f sh -c 'trap \"\" TERM HUP; sleep 7721; :'; sleep 7722; sleep 7722; :";

pub fn sh(script: &str) -> TaskSpec {
    TaskSpec::new(["/bin/sh", "-c", script]).stdin(Input::Null).stdout(Output::Null).stderr(Output::Null)
}

pub fn spawner(config: RemoteConfig) -> RemoteSpawner {
    RemoteSpawner::named("lab", config).unwrap()
}

/// With a lease that a busy machine does not reach, where that is not what is tested.
pub fn patient(config: RemoteConfig) -> RemoteSpawner {
    spawner(RemoteConfig { lease: 60, ..config })
}

/// In a runtime of its own, for at most two minutes.
pub fn block<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_mins(2), future).await.expect("it ends") })
}

/// Runs these at one time; each has failed if it panicked.
pub fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, run: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> = cases.into_iter().map(|case| scope.spawn(move || run(case))).collect();
        let failed = running.into_iter().filter_map(|one| one.join().err()).count();
        assert_eq!(failed, 0, "of the cases that ran at one time failed; see above");
    });
}

pub async fn read(stream: Option<spawner_core::stream::Reader>) -> Vec<u8> {
    let mut all = Vec::new();
    stream.unwrap().read_to_end(&mut all).await.unwrap();
    all
}

pub fn held(witness: &Witness) {
    until("the task holds its lock", PATIENCE, || !witness.all_gone());
}

/// Nothing of any session is there, by the witness and by /proc, within this time from the fault.
pub fn far_is_clean(sshd: &Sshd, witness: &Witness, fault: &Canary, patience: Duration) {
    let wait = |what: &str, done: &dyn Fn() -> bool| {
        while !done() {
            let allowed = fault.allows(patience);
            assert!(fault.elapsed() < allowed, "{what} after {allowed:?}: {:?}", sshd.far());
            std::thread::sleep(Duration::from_millis(10));
        }
        let (took, allowed) = (fault.elapsed(), fault.allows(patience));
        assert!(took < allowed, "{what}, or was asked for too late: after {took:?}, not {allowed:?}");
        took
    };
    let task = wait("something of the task is there", &|| witness.all_gone());
    let all = wait("its guardian or agent is there", &|| sshd.far().is_empty());
    println!("far end clean: the task after {task:?}, its keepers after {all:?}");
}

/// What dead harnesses left is resolved, and off the record: at once, but where this machine is too busy to make a
/// connection in the time that one sweep gives it.
pub async fn swept(sshd: &Sshd, spawner: &RemoteSpawner) -> Vec<CleanupOutcome> {
    let (began, mut all) = (Instant::now(), Vec::new());
    loop {
        all.extend(spawner.sweep().await);
        assert!(all.iter().all(|outcome| outcome.verdict() != Verdict::Leaked), "{all:?}");
        if sshd.records().is_empty() {
            return all;
        }
        assert!(began.elapsed() < PATIENCE * 2, "{all:?}");
    }
}

/// Nothing of the connections is here: no program, no socket, no record.
pub fn here_is_clean(sshd: &Sshd, sockets: &[PathBuf]) {
    until("no ssh program is left", Duration::from_secs(5), || sshd.clients(sockets).1.is_empty());
    let left: Vec<_> = sockets.iter().filter(|socket| socket.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    let records: Vec<_> =
        sshd.records().iter().map(|path| (path.clone(), std::fs::read_to_string(path))).collect();
    assert!(records.is_empty(), "{records:?}");
}

/// Destroys it again, over a way that is there again, until it is clean: at once, but where this machine is too busy to
/// make a connection in the time that one call has.
pub async fn becomes_clean(spawner: &RemoteSpawner, task: &Task) -> CleanupOutcome {
    let began = Instant::now();
    loop {
        let outcome = spawner.destroy_task(task, &Teardown::default()).await;
        if outcome.is_clean() {
            return outcome;
        }
        assert!(outcome.verdict() == Verdict::Unverified && began.elapsed() < PATIENCE * 2, "{outcome:?}");
    }
}

/// It could not be looked at: said in time, with the identity and what a person can type.
pub fn is_unverified(outcome: &CleanupOutcome, task: &Task, teardown: &Teardown, took: Duration) -> String {
    assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:?}");
    let limit = teardown.linger + teardown.grace + teardown.deadline + Teardown::SLACK + jitter();
    assert!(took < limit, "it took {took:?}, not {limit:?}");
    let leader = task.record().leader.clone().unwrap();
    let pid = leader.pid.to_string();
    let left = outcome.resources().iter().find(|one| one.id == pid).expect("the main process is named");
    assert!(left.started.is_some() && left.reason.as_ref().unwrap().contains(&leader.boot_id), "{left:?}");
    let remedy = left.remedy.clone().unwrap();
    assert!(remedy.starts_with("ssh -p ") && remedy.ends_with(&format!("'kill -KILL {pid}'")), "{remedy}");
    assert!(outcome.to_string().contains(&remedy), "{outcome}");
    remedy
}

/// A task's words, streams, status and end are as anywhere; `mechanism` is what proves its end.
pub fn all_is_well(sshd: &Sshd, account: &str, mechanism: Mechanism) {
    block(async {
        let spawner = patient(sshd.config(account));
        println!("{}", spawner.check().await.unwrap().answered);
        let odd = "a'b\"c\\d!e$f`g\nh*~ü%%";
        let script = "printf '%s|%s' \"$1\" \"$ODD\"; cat; echo err >&2; exit 201";
        let spec = sh(script).stdin(Input::Stream).stdout(Output::Stream).stderr(Output::Stream);
        let mut spec = spec.env("ODD", odd);
        spec.argv.extend(["sh".into(), odd.into()]);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let mut streams = spawner.task_output(&task).await.unwrap();
        let mut stdin = streams.stdin.take().unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stdin, b"|in\0put").await.unwrap();
        drop(stdin);
        let out = String::from_utf8(read(streams.stdout).await).unwrap();
        assert_eq!(out, format!("{odd}|{odd}|in\0put"));
        assert_eq!(read(streams.stderr).await, b"err\n");
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 201 });
        ends_clean(&spawner, &task, mechanism).await;

        let witness = Witness::new();
        let task = spawner.spawn_task(&sh(&held_for_reading(&witness, STUBBORN))).await.unwrap();
        held(&witness);
        ends_clean(&spawner, &task, mechanism).await;
        assert!(witness.all_gone());
        let (sockets, _) = sshd.clients(&[]);
        spawner.shutdown().await.unwrap();
        here_is_clean(sshd, &sockets);
        far_is_clean(sshd, &witness, &Canary::start(), Duration::from_secs(2));
    });
}

/// As [`Witness::hold`], where nothing can be written.
fn held_for_reading(witness: &Witness, script: &str) -> String {
    witness.hold(script).replacen("<>", "<", 1)
}

/// It is proved gone, by this mechanism.
pub async fn ends_clean(spawner: &RemoteSpawner, task: &Task, mechanism: Mechanism) {
    let outcome = spawner.destroy_task(task, &Teardown::default().grace(Duration::from_millis(50))).await;
    assert!(outcome.is_clean(), "{outcome:?}");
    assert_eq!(outcome.mechanisms(), [mechanism]);
}
