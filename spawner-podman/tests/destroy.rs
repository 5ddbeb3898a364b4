//! Destroying real containers. The judges are the engine's own program, `/proc`, and pipes that everything a task
//! makes inherits.

mod common {
    pub(crate) mod proxy;
    pub(crate) mod scratch;
}

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::proxy::{Fault, Proxy};
use common::scratch::Scratch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use spawner_core::{
    CleanupOutcome, Environment, Exit, Fate, Input, Output, Resource, ResourceKind, Spawner as _, Task,
    TaskSpec, Teardown, Verdict,
};
use spawner_podman::{PodmanConfig, PodmanSpawner};

const SOON: Duration = Duration::from_secs(10);

fn spawner(scratch: &Scratch, address: &str, change: impl FnOnce(&mut PodmanConfig)) -> PodmanSpawner {
    let mut config = PodmanConfig {
        socket: Some(address.to_owned()),
        image: Some("localhost/busybox:latest".to_owned()),
        network: Some("none".to_owned()),
        state_dir: Some(scratch.folder().join("state")),
        sweep: false,
        ..PodmanConfig::default()
    };
    change(&mut config);
    PodmanSpawner::new(config).unwrap()
}

fn spec(argv: &[&str]) -> TaskSpec {
    let mut spec = TaskSpec::new(argv.iter().copied());
    (spec.stdin, spec.stdout, spec.stderr) = (Input::Null, Output::Null, Output::Null);
    spec.env = Environment::default();
    spec
}

fn quick() -> Teardown {
    Teardown::default().grace(Duration::from_millis(500))
}

fn id_of(scratch: &Scratch, task: &Task) -> String {
    let name = format!("spawner-{}", task.id());
    scratch.podman(&["inspect", "--format", "{{.Id}}", &name]).trim().to_owned()
}

fn of_kind(outcome: &CleanupOutcome, kind: ResourceKind) -> Vec<&Resource> {
    outcome.resources().iter().filter(|resource| resource.kind == kind).collect()
}

/// What the system has of this container: in the engine's lists, among the processes, among the control groups.
fn left(scratch: &Scratch, id: &str, task: &Task) -> Vec<String> {
    let mut left = Vec::new();
    let listed =
        scratch.podman(&["ps", "--all", "--external", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]);
    left.extend(listed.lines().filter(|line| line.contains(id)).map(String::from));
    let mark = format!("SPAWNER_TASK_ID={}", task.id());
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let marked = read("environ").split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes());
        let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        if marked || line.contains(id) && line.contains("conmon") {
            left.push(format!("{}: {line}", entry.path().display()));
        }
    }
    let mut find = Command::new("find");
    let groups = find.args(["/sys/fs/cgroup", "-name", &format!("*{id}*")]).output().unwrap();
    left.extend(String::from_utf8_lossy(&groups.stdout).lines().map(String::from));
    left
}

fn assert_nothing_left(scratch: &Scratch, id: &str, task: &Task) {
    assert_eq!(left(scratch, id, task), Vec::<String>::new());
}

fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The reading end of a pipe whose writing end a task opened, and everything that it made inherited.
fn pipe(path: &Path) -> File {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap().into()
}

/// Whether anybody has it still: the kernel hangs up when nobody has.
fn is_held(pipe: &File) -> bool {
    let mut polled = [PollFd::new(pipe, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
    !polled[0].revents().contains(PollFlags::HUP)
}

#[tokio::test]
async fn whatever_a_task_made_is_gone_when_it_is_said_to_be() {
    let Some(scratch) = Scratch::up() else { return };
    let folder = scratch.folder().join("shared");
    fs::create_dir(&folder).unwrap();
    let escapes = "exec 9>/shared/pipe; touch /shared/up\n\
                   setsid sh -c 'trap \"\" TERM HUP; sleep 1001 & while :; do sleep 0.1; done' &\n\
                   (setsid sleep 1002 &) ; setsid setsid sleep 1003 &\n";
    for (ends, host_pids) in [("exit 3", false), ("exec sleep 1000", false), ("exit 3", true), ("wait", true)]
    {
        let spawner = spawner(&scratch, &scratch.address(), |config| {
            config.host_pids = host_pids;
            config.volumes = vec![format!("{}:/shared", folder.display())];
        });
        let pipe = pipe(&folder.join("pipe"));
        let script = format!("{escapes}{ends}");
        let task = spawner.spawn_task(&spec(&["sh", "-c", &script])).await.unwrap();
        let id = id_of(&scratch, &task);
        await_that("the task", || folder.join("up").exists());
        if ends == "exit 3" {
            assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 3 });
        } else {
            assert!(is_held(&pipe));
        }
        let outcome = spawner.destroy_task(&task, &quick()).await;
        // Whether or not it is said to be clean, nothing may be left here.
        assert!(!is_held(&pipe), "{ends} {host_pids}: {outcome}");
        assert!(outcome.is_clean(), "{ends} {host_pids}: {outcome}");
        assert_nothing_left(&scratch, &id, &task);
        for name in ["pipe", "up"] {
            fs::remove_file(folder.join(name)).unwrap();
        }
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_others_did_to_a_container_keeps_it_from_nothing() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch, &scratch.address(), |_| {});
    let address = scratch.address();

    // Paused: it hears the request all the same.
    let trap = "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done";
    let task = spawner.spawn_task(&spec(&["sh", "-c", trap])).await.unwrap();
    let id = id_of(&scratch, &task);
    scratch.podman(&["exec", &id, "sh", "-c", "until grep -q 'SigCgt:.*4...$' /proc/1/status; do :; done"]);
    scratch.podman(&["pause", &id]);
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    assert!(outcome.is_clean() && !outcome.escalated(), "{outcome}");
    assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 7 });
    assert_nothing_left(&scratch, &id, &task);

    // Commands run in it, one of which has ended: podman's monitors of them would wait for five minutes.
    let task = spawner.spawn_task(&spec(&["sleep", "1000"])).await.unwrap();
    let id = id_of(&scratch, &task);
    for argv in [["sleep", "0.01"], ["sleep", "1001"]] {
        scratch.podman(&["--url", &address, "exec", "--detach", &id, argv[0], argv[1]]);
    }
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    assert!(outcome.is_clean() && outcome.elapsed() < Duration::from_secs(3), "{outcome}");
    let sessions = of_kind(&outcome, ResourceKind::ExecSession);
    assert!(
        sessions.len() == 2 && sessions.iter().all(|session| session.fate == Fate::Removed),
        "{sessions:?}"
    );
    assert_nothing_left(&scratch, &id, &task);

    // Removed behind the back: the wait ends, and the end is proved.
    let task = spawner.spawn_task(&spec(&["sleep", "1000"])).await.unwrap();
    let id = id_of(&scratch, &task);
    scratch.podman(&["rm", "--force", "--time=0", &id]);
    let exit = tokio::time::timeout(SOON, spawner.wait_task(&task)).await.unwrap().unwrap();
    assert!(matches!(exit, Exit::Lost { .. } | Exit::Signalled { signal: 9, .. }), "{exit:?}");
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    assert!(outcome.is_clean() && !outcome.escalated(), "{outcome}");
    assert_eq!(of_kind(&outcome, ResourceKind::Container)[0].fate, Fate::AlreadyGone);
    assert_nothing_left(&scratch, &id, &task);
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_image_s_own_volume_and_the_storage_are_accounted_for() {
    let Some(scratch) = Scratch::up() else { return };
    let image = scratch.image_with_volume();
    let spawner = spawner(&scratch, &scratch.address(), |config| config.image = Some(image));
    let task = spawner.spawn_task(&spec(&["sh", "-c", "echo x > /data/x; exec sleep 1000"])).await.unwrap();
    let id = id_of(&scratch, &task);
    let volumes = scratch.volumes();
    assert_eq!(volumes.lines().count(), 1, "{volumes}");
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    assert!(outcome.is_clean(), "{outcome}");
    let removed = of_kind(&outcome, ResourceKind::Volume);
    assert!(removed.len() == 1 && removed[0].id == volumes && removed[0].fate == Fate::Removed);
    let storage = of_kind(&outcome, ResourceKind::Storage);
    assert!(storage.len() == 1 && storage[0].fate == Fate::Removed && !Path::new(&storage[0].id).exists());
    assert_eq!(scratch.volumes(), "");
    assert_nothing_left(&scratch, &id, &task);

    // A volume that somebody else's container uses is not gone, and is not said to be.
    let task = spawner.spawn_task(&spec(&["sleep", "1000"])).await.unwrap();
    let name = format!("spawner-{}", task.id());
    scratch.podman(&[
        "create",
        "--name",
        "other",
        "--volumes-from",
        &name,
        "localhost/busybox:latest",
        "true",
    ]);
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    let volume = scratch.volumes();
    let told: Vec<_> = outcome.leftovers().map(|left| left.to_string()).collect();
    assert_eq!(outcome.verdict(), Verdict::Leaked, "{told:?}");
    assert!(told.len() == 1 && told[0].contains(&format!("volume rm --force {volume}")), "{told:?}");
    scratch.podman(&["rm", "other"]);
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    assert!(outcome.is_clean(), "{outcome}");
    assert_eq!(scratch.volumes(), "");
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn answers_that_are_lost_or_spoiled_are_neither_believed_nor_waited_for() {
    let Some(scratch) = Scratch::up() else { return };
    let proxy = Proxy::before(&scratch.address(), &scratch.folder().join("x.sock"));
    let spawner = spawner(&scratch, &proxy.address(), |_| {});
    let teardown = Teardown::at_once().deadline(Duration::from_secs(2));
    // What the engine did is found out, whatever became of its answer.
    for fault in [Fault::Cut(0), Fault::HalfBody, Fault::Garbage, Fault::FalseError("no"), Fault::Refuse] {
        let task = spawner.spawn_task(&spec(&["sleep", "1000"])).await.unwrap();
        let id = id_of(&scratch, &task);
        proxy.spoil_next("DELETE", "", fault.clone());
        let outcome = spawner.destroy_task(&task, &teardown).await;
        assert!(outcome.is_clean(), "{fault:?}: {outcome}");
        assert_nothing_left(&scratch, &id, &task);
    }
    // What cannot be found out is not said; what ran is gone all the same.
    for (method, fault, verdict, said) in [
        ("DELETE", Fault::Error("the disk is on fire"), Verdict::Leaked, "reported: the disk is on fire"),
        ("DELETE", Fault::Refuse, Verdict::Leaked, ""),
        ("DELETE", Fault::Swallow, Verdict::Unverified, ""),
        ("GET", Fault::Corrupt, Verdict::Unverified, ""),
        ("GET", Fault::Garbage, Verdict::Unverified, ""),
        ("GET", Fault::Hang, Verdict::Unverified, ""),
        ("GET", Fault::Error("no idea"), Verdict::Unverified, "reported: no idea"),
    ] {
        let task = spawner.spawn_task(&spec(&["sleep", "1000"])).await.unwrap();
        let id = id_of(&scratch, &task);
        proxy.spoil(method, "", fault.clone());
        let began = Instant::now();
        let outcome = spawner.destroy_task(&task, &teardown).await;
        let took = began.elapsed();
        let told: Vec<_> = outcome.leftovers().map(|left| left.to_string()).collect();
        assert_eq!(outcome.verdict(), verdict, "{method} {fault:?}: {told:?}");
        assert!(
            took < teardown.deadline + Teardown::SLACK + Duration::from_millis(300),
            "{fault:?}: {took:?}"
        );
        assert!(told.len() == 1 && told[0].contains(&format!("rm --force --volumes {id}")), "{told:?}");
        assert!(told[0].contains(said), "{told:?}");
        let running = scratch.podman(&["ps", "--quiet", "--no-trunc"]);
        assert!(!running.contains(&id), "{method} {fault:?}: it still runs");
        proxy.mend();
        let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
        assert!(outcome.is_clean(), "{method} {fault:?}, mended: {outcome}");
        assert_nothing_left(&scratch, &id, &task);
    }
    drop(proxy);
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_is_stopped_or_killed_meanwhile_leaves_what_is_named_and_nothing_that_runs() {
    let Some(scratch) = Scratch::up() else { return };
    for signal in [Signal::STOP, Signal::KILL] {
        let spawner = spawner(&scratch, &scratch.address(), |_| {});
        let deaf = "trap '' TERM; while :; do sleep 0.1; done";
        let task = spawner.spawn_task(&spec(&["sh", "-c", deaf])).await.unwrap();
        let id = id_of(&scratch, &task);
        let leader = task.record().leader.clone().expect("its first process is one of this host");
        let teardown = quick().deadline(Duration::from_secs(1));
        let began = Instant::now();
        let halfway = async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            scratch.signal(signal);
        };
        let (outcome, ()) = tokio::join!(spawner.destroy_task(&task, &teardown), halfway);
        let bound = teardown.linger + teardown.grace + teardown.deadline + Teardown::SLACK;
        assert!(began.elapsed() < bound + Duration::from_millis(300), "{:?}", began.elapsed());
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome}");
        let told = outcome.to_string();
        assert!(told.contains(&format!("rm --force --volumes {id}")) && told.lines().count() == 1, "{told}");
        assert!(!leader.is_alive(), "{told}");

        if signal == Signal::STOP {
            scratch.signal(Signal::CONT);
        } else {
            let engine = fs::read_to_string(scratch.folder().join("e/engine")).unwrap();
            let pid = engine.split(' ').next().unwrap();
            await_that("the engine's end", || !Path::new("/proc").join(pid).exists());
            scratch.restart();
        }
        let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
        assert!(outcome.is_clean(), "{outcome}");
        assert_nothing_left(&scratch, &id, &task);
        spawner.shutdown().await.unwrap();
    }
}
