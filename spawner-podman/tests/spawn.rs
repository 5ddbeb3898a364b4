//! Tasks are started in containers as they wish, end as they end, and what cannot be started leaves nothing.

#[path = "common/life.rs"]
mod life;
#[path = "common/scratch.rs"]
mod scratch;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use life::{clean, config, end, exit, null, refused, says, sh, spawner};
use rustix::process::Signal;
use scratch::Scratch;
use spawner_core::{
    ContainerOptions, ErrorKind, Exit, Limits, Output, Pull, Spawner as _, TaskSpec, TaskState, Teardown,
};
use spawner_podman::{PodmanConfig, PodmanSpawner};
use tokio::time::{Instant, timeout};

fn in_container(options: ContainerOptions) -> impl Fn(&str) -> TaskSpec {
    move |line| sh(line).container(options.clone())
}

/// Nothing of any container, and no record.
fn empty(scratch: &Scratch) {
    assert_eq!(scratch.containers(), "");
    let records = std::fs::read_dir(scratch.folder().join("state"));
    let records: Vec<_> = records.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    assert!(records.is_empty(), "{records:?}");
}

#[tokio::test]
async fn a_task_gets_what_it_wishes() {
    let Some(scratch) = Scratch::up() else { return };
    let config = PodmanConfig {
        env: BTreeMap::from([("A".into(), "configured".into()), ("B".into(), "configured".into())]),
        ..config(&scratch)
    };
    let spawner = PodmanSpawner::new(config).unwrap();
    let spec = sh("printf '%s|' \"$A\" \"$B\" \"$PATH\" \"$SPAWNER_TASK_ID\" \"$@\"").env("A", "a\nb=c ");
    let mut spec = spec.env("LANG", "C");
    spec.argv[0] = "/bin/sh".into();
    spec.argv.extend(["name".into(), "a b\n".into(), "\"ü\\$".into(), "".into()]);
    spec.env.changes.insert("PATH".into(), None);
    let said = says(&spawner, &spec).await;
    let said: Vec<_> = said.split('|').collect();
    assert_eq!(said[..2], ["a\nb=c ", "configured"]);
    assert!(!said[2].contains("/usr/local"), "PATH is not the image's: {said:?}");
    assert_eq!(said[3].len(), 16);
    assert_eq!(said[4..], ["a b\n", "\"ü\\$", "", ""]);

    assert_eq!(says(&spawner, &sh("pwd").cwd("/bin")).await, "/bin\n");
    let own = |options| in_container(options);
    let user = ContainerOptions { user: Some("1234:56".into()), ..ContainerOptions::default() };
    assert_eq!(says(&spawner, &own(user)("id -u; id -g")).await, "1234\n56\n");
    let init = |init| ContainerOptions { init: Some(init), ..ContainerOptions::default() };
    assert_eq!(says(&spawner, &own(init(false))("echo $$")).await, "1\n");
    assert_ne!(says(&spawner, &own(init(true))("echo $$")).await, "1\n");
    assert_eq!(exit(&spawner, &own(init(true))("exit 9")).await, Exit::Exited { code: 9 });

    let folder = scratch.folder().join("mounted");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), "host").unwrap();
    let volumes = vec![format!("{}:/there", folder.display()), format!("{}:/fixed:ro", folder.display())];
    let mounts = own(ContainerOptions { volumes, ..ContainerOptions::default() });
    let line = "cat /there/file; echo new > /there/new; ! touch /fixed/other 2>/dev/null";
    assert_eq!(says(&spawner, &mounts(line)).await, "host");
    assert_eq!(std::fs::read_to_string(folder.join("new")).unwrap(), "new\n");

    let host = ContainerOptions { network: Some("host".into()), ..ContainerOptions::default() };
    let count = |text: &str| text.lines().filter(|line| line.contains(':')).count();
    let line = "cat /proc/net/dev";
    let (none, all) = (says(&spawner, &sh(line)).await, says(&spawner, &own(host)(line)).await);
    assert_eq!(count(&none), 1, "only the loopback: {none}");
    assert!(count(&all) >= count(&none));

    let labels = BTreeMap::from([("mine".to_owned(), "yes".to_owned())]);
    let task = spawner
        .spawn_task(&own(ContainerOptions { labels, ..ContainerOptions::default() })("sleep 60"))
        .await
        .unwrap();
    let filter =
        |label: &str| scratch.podman(&["ps", "--quiet", "--no-trunc", "--filter", &format!("label={label}")]);
    assert_eq!(filter("mine=yes").lines().count(), 1);
    assert_eq!(filter("mine=yes"), filter(&format!("spawner.task={}", task.id())));
    clean(&spawner.destroy_task(&task, &Teardown::default()).await);
    empty(&scratch);
}

#[tokio::test]
async fn what_cannot_be_started_is_told_apart_and_leaves_nothing() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let none = ContainerOptions::default;
    let image =
        |pull| ContainerOptions { image: Some("localhost/none:1".into()), pull: Some(pull), ..none() };
    let volume = |volume: &str| ContainerOptions { volumes: vec![volume.to_owned()], ..none() };
    for stdout in [Output::Null, Output::Stream] {
        let case = |argv: &[&str]| null(TaskSpec::new(argv.iter().copied())).stdout(stdout.clone());
        for (spec, kind, named) in [
            (case(&["no-such-program"]), ErrorKind::ProgramNotFound, "execute no-such-program"),
            (case(&["/no/such/program"]), ErrorKind::ProgramNotFound, "/no/such/program"),
            (case(&["/etc"]), ErrorKind::NotExecutable, "/etc"),
            (case(&["true"]).cwd("/no/where"), ErrorKind::Io, "enter the working directory /no/where"),
            (case(&["true"]).container(image(Pull::Never)), ErrorKind::Config, "localhost/none:1"),
            (
                case(&["true"]).container(ContainerOptions { user: Some("nobody-here".into()), ..none() }),
                ErrorKind::Config,
                "nobody-here",
            ),
            (
                case(&["true"]).container(ContainerOptions { network: Some("no-net".into()), ..none() }),
                ErrorKind::Config,
                "no-net",
            ),
            (case(&["true"]).container(volume("/no/where:/x")), ErrorKind::InvalidSpec, "/no/where"),
            (case(&["true"]).container(volume("x:/x")), ErrorKind::InvalidSpec, "`x:/x`"),
            (case(&["true"]).stderr(Output::Terminal), ErrorKind::InvalidSpec, "all of its three streams"),
            (
                case(&["true"]).container(ContainerOptions {
                    labels: BTreeMap::from([("spawner.task".into(), "x".into())]),
                    ..none()
                }),
                ErrorKind::InvalidSpec,
                "spawner.task",
            ),
        ] {
            let error = refused(&spawner, &spec, kind).await;
            assert!(error.to_string().contains(named), "{named}: {error}");
        }
    }
    let pulled = refused(&spawner, &sh("true").container(image(Pull::Missing)), ErrorKind::Unavailable).await;
    assert!(pulled.to_string().contains("localhost/none:1"), "{pulled}");
    empty(&scratch);
    assert!(!std::path::Path::new("/no/where").exists());
    scratch.kill();
    let gone = refused(&spawner, &sh("true"), ErrorKind::Unavailable).await;
    assert!(gone.cleanup().is_none(), "nothing was made: {gone}");
    scratch.restart();
    empty(&scratch);
}

/// Holds a file so that whoever opens it waits, tells when somebody does, and lets go at the end of its input (fcntl(2),
/// F_SETLEASE).
const LEASE: &str = r#"
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, lambda *_: print("asked", flush=True))
file = os.open(sys.argv[1], os.O_RDONLY)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()
"#;

/// An engine says that a container was started while its runtime still stands in the program's place.
#[tokio::test]
async fn a_signal_right_after_the_start_reaches_the_program() {
    let Some(scratch) = Scratch::up() else { return };
    let folder = scratch.folder().join("mounted");
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("busybox");
    let copied = Command::new("sh").args(["-c", r#"cp "$(command -v busybox)" "$0""#]).arg(&program).status();
    assert!(copied.unwrap().success(), "busybox is needed");
    let mut holder = Command::new("python3")
        .args(["-c", LEASE])
        .arg(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "held");

    let spawner = spawner(&scratch);
    let volumes = vec![format!("{}:/there", folder.display())];
    let spec = null(TaskSpec::new(["/there/busybox", "sh", "-c", "sleep 0.2; exit 4"]))
        .container(ContainerOptions { volumes, ..ContainerOptions::default() });
    let mut spawning = std::pin::pin!(spawner.spawn_task(&spec));
    let mut asked = tokio::task::spawn_blocking(move || said.next().unwrap().unwrap());
    tokio::select! {
        task = &mut spawning => panic!("its program cannot run yet: {task:?}"),
        line = &mut asked => assert_eq!(line.unwrap(), "asked"),
    }
    let early = timeout(Duration::from_millis(700), &mut spawning).await;
    assert!(early.is_err(), "its program cannot run yet: {early:?}");
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    let task = spawning.await.unwrap();
    // The runtime would end; a first process without a handler does not get it.
    spawner.signal_task(&task, Signal::TERM.as_raw()).await.unwrap();
    assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 4 });
    end(&spawner, &task).await;
    empty(&scratch);
}

#[tokio::test]
async fn an_end_is_told_as_it_was() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    for code in [0, 1, 7, 126, 127, 128, 129, 137, 143, 255] {
        assert_eq!(exit(&spawner, &sh(&format!("exit {code}"))).await, Exit::Exited { code });
    }
    let signalled = |signal| Exit::Signalled { signal, core: false };
    for signal in [Signal::TERM, Signal::KILL, Signal::USR1] {
        // A first process gets what it has a handler for, and what nobody can handle.
        let line = "trap 'trap - USR1 TERM; exit 5' USR1 TERM; while :; do sleep 0.01; done";
        let spec = sh(line).stdout(Output::Stream);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let ended = async {
            loop {
                match spawner.signal_task(&task, signal.as_raw()).await {
                    Ok(()) => tokio::time::sleep(Duration::from_millis(10)).await,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::UnknownTask, "{error}");
                        return spawner.wait_task(&task).await.unwrap();
                    }
                }
            }
        };
        let expected = if signal == Signal::KILL { signalled(9) } else { Exit::Exited { code: 5 } };
        assert_eq!(timeout(Duration::from_secs(10), ended).await.unwrap(), expected);
        assert_eq!(spawner.task_state(&task).await.unwrap(), TaskState::Ended(expected.clone()));
        end(&spawner, &task).await;
        assert_eq!(spawner.task_state(&task).await.unwrap(), TaskState::Gone(expected));
    }
    let limits = Limits { memory: Some(32 << 20), ..Limits::default() };
    let hungry = "x=a; while :; do x=$x$x; done";
    assert_eq!(exit(&spawner, &sh(hungry).limits(limits)).await, Exit::OutOfMemory);
    assert_eq!(exit(&spawner, &sh("kill -9 $$; exit 4").limits(limits)).await, Exit::Exited { code: 4 });
    let task = spawner.spawn_task(&sh("sleep 60").limits(limits)).await.unwrap();
    spawner.signal_task(&task, Signal::KILL.as_raw()).await.unwrap();
    assert_eq!(spawner.wait_task(&task).await.unwrap(), signalled(9), "the limit was not the reason");
    end(&spawner, &task).await;
    empty(&scratch);
}

#[tokio::test]
async fn limits_hold() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let pids = Limits { pids: Some(8), ..Limits::default() };
    let line = "n=0; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 2>/dev/null & done; exit 0";
    let (_, said, _) = life::talk(&spawner, &sh(line).limits(pids), b"").await;
    assert!(String::from_utf8_lossy(&said).contains("fork"), "{}", String::from_utf8_lossy(&said));
    let cpus = Limits { cpus: Some(0.2), ..Limits::default() };
    let task = spawner.spawn_task(&sh("while :; do :; done").limits(cpus)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    spawner.signal_task(&task, Signal::KILL.as_raw()).await.unwrap();
    spawner.wait_task(&task).await.unwrap();
    let usage = end(&spawner, &task).await.expect("control groups count");
    let used = usage.cpu_user + usage.cpu_system;
    assert!(used > Duration::from_millis(50) && used < Duration::from_millis(800), "{usage:?}");
    empty(&scratch);
}

#[tokio::test]
async fn a_wait_ends_when_the_container_is_removed_or_the_engine_dies() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let task = spawner.spawn_task(&sh("sleep 600")).await.unwrap();
    let name = format!("spawner-{}", task.id());
    let (exit, _) = tokio::join!(timeout(Duration::from_secs(10), spawner.wait_task(&task)), async {
        scratch.podman(&["rm", "--force", "--time", "0", &name])
    });
    let exit = exit.expect("the wait ends").unwrap();
    assert!(matches!(exit, Exit::Signalled { signal: 9, .. } | Exit::Lost { .. }), "{exit}");
    clean(&spawner.destroy_task(&task, &Teardown::default()).await);
    let task = spawner.spawn_task(&sh("sleep 1; exit 3")).await.unwrap();
    scratch.kill();
    let exit = timeout(Duration::from_secs(10), spawner.wait_task(&task)).await.expect("the wait ends");
    assert_eq!(exit.unwrap(), Exit::Exited { code: 3 }, "the kernel tells, without the engine");
    scratch.restart();
    end(&spawner, &task).await;
    empty(&scratch);
}

#[tokio::test]
async fn an_abandoned_start_leaves_nothing_whenever_it_is_dropped() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    for step in 0..40 {
        let stdout = if step % 2 == 0 { Output::Null } else { Output::Stream };
        let spec = sh("sleep 60").stdout(stdout);
        let started = timeout(Duration::from_millis(step * 4), spawner.spawn_task(&spec)).await;
        if let Ok(task) = started {
            end(&spawner, &task.unwrap()).await;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while !scratch.containers().is_empty()
        || std::fs::read_dir(scratch.folder().join("state")).unwrap().count() > 0
    {
        assert!(Instant::now() < deadline, "{}", scratch.containers());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for outcome in spawner.abandoned() {
        clean(&outcome);
    }
    empty(&scratch);
}

#[tokio::test]
async fn fifty_at_once_are_no_trouble() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let one = async |number: usize| {
        let spec = sh(&format!("echo {number}; sleep 0.2; exit {}", number % 3));
        let (said, _, exit) = life::talk(&spawner, &spec, b"").await;
        assert_eq!(said, format!("{number}\n").into_bytes());
        assert_eq!(exit, Exit::Exited { code: i32::try_from(number % 3).unwrap() });
    };
    join_all((0..50).map(one)).await;
    empty(&scratch);
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_spawner_that_is_shut_down_ends_what_it_has() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    for _ in 0..2 {
        spawner.spawn_task(&sh("sleep 600")).await.unwrap();
    }
    spawner.shutdown().await.unwrap();
    empty(&scratch);
}
