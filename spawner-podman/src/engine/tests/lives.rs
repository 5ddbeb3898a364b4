//! What containers go through.

use bollard::models::{Mount, MountTypeEnum};
use futures_util::{StreamExt as _, future};
use spawner_core::ErrorKind;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::*;
use crate::engine::{Attached, Brand, Removal, Status, Stream, is_image_missing};

/// All that comes out of it.
async fn output(mut attached: Attached) -> (Vec<u8>, Vec<u8>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(piece) = timeout(Duration::from_secs(20), attached.output.next()).await.unwrap() {
        let (stream, bytes) = piece.unwrap();
        if stream == Stream::Stdout { &mut out } else { &mut err }.extend_from_slice(&bytes);
    }
    (out, err)
}

#[tokio::test]
async fn a_container_is_made_started_watched_and_removed() {
    let Some(host) = host() else { return };
    let (engine, name) = (at(&host).await, Name::new());
    assert_eq!(engine.brand(), Brand::Podman);
    let mut body = body(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    body.labels = Some([("test.name".to_owned(), name.0.clone())].into());
    let id = engine.create(&name.0, body.clone(), soon()).await.unwrap();
    assert_eq!(id.len(), 64);
    assert_eq!(engine.create(&name.0, body, soon()).await.unwrap_err().kind(), ErrorKind::Taken);

    // It is there and can be got hold of before its program runs.
    assert!(engine.init(&id, soon()).await.unwrap());
    let seen = engine.inspect(&name.0, soon()).await.unwrap().unwrap();
    assert_eq!((seen.status, &seen.id, &seen.name, seen.exit_code), (Status::Created, &id, &name.0, None));
    let command =
        |pid: Option<i32>| std::fs::read_to_string(format!("/proc/{}/cmdline", pid.unwrap())).unwrap();
    assert!(!command(seen.pid).contains("echo"), "the program runs already");
    assert!(command(seen.conmon_pid).contains(&id));
    assert_eq!(seen.restart_policy, "no");

    let attached = engine.attach(&id, false, false, soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    assert_eq!(output(attached).await, (b"out\n".to_vec(), b"err\n".to_vec()));
    assert_eq!(engine.ended(&id).await.unwrap(), 7);
    let seen = engine.inspect(&id, soon()).await.unwrap().unwrap();
    assert_eq!((seen.status, seen.pid, seen.exit_code, seen.oom), (Status::Exited, None, Some(7), false));
    assert!(seen.started.is_some());

    let label = format!("test.name={}", name.0);
    let listed = engine.labelled(&label, soon()).await.unwrap();
    assert_eq!(listed.iter().map(|listed| (&listed.id, &listed.name)).collect::<Vec<_>>(), [(&id, &name.0)]);
    assert_eq!(engine.remove(&id, soon()).await.unwrap(), Removal::Removed);
    assert_eq!(engine.remove(&id, soon()).await.unwrap(), Removal::AlreadyGone);
    assert!(engine.inspect(&id, soon()).await.unwrap().is_none());
    assert!(engine.labelled(&label, soon()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_written_is_heard_and_so_is_the_end_of_it() {
    let Some(host) = host() else { return };
    let (engine, name) = (at(&host).await, Name::new());
    let mut body = body(&["cat"]);
    (body.open_stdin, body.stdin_once, body.attach_stdin) = (Some(true), Some(true), Some(true));
    let id = engine.create(&name.0, body, soon()).await.unwrap();
    let mut attached = engine.attach(&id, true, false, soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    let text: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let mut input = std::mem::replace(&mut attached.input, Box::pin(tokio::io::sink()));
    let write = async {
        input.write_all(&text).await.unwrap();
        input.shutdown().await.unwrap();
    };
    let ((), (out, err)) = future::join(write, output(attached)).await;
    assert!(out == text && err.is_empty(), "{} of {} came back", out.len(), text.len());
    assert_eq!(engine.ended(&id).await.unwrap(), 0);
}

#[tokio::test]
async fn the_first_bytes_of_a_terminal_are_its_own() {
    let Some(host) = host() else { return };
    let (engine, name) = (at(&host).await, Name::new());
    // What stands before pieces of output, where there is no terminal.
    let mut body = body(&["printf", r"\001\000\000\000\000\000\000\001x"]);
    body.tty = Some(true);
    let id = engine.create(&name.0, body, soon()).await.unwrap();
    let attached = engine.attach(&id, false, true, soon()).await.unwrap();
    engine.resize(&id, 40, 100, soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    assert_eq!(output(attached).await.0, b"\x01\0\0\0\0\0\0\x01x");
}

#[tokio::test]
async fn what_was_kept_of_its_output_is_told() {
    let Some(host) = host() else { return };
    let (engine, name) = (at(&host).await, Name::new());
    let id = engine.create(&name.0, body(&["sh", "-c", "echo a; echo b >&2; echo c"]), soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    engine.ended(&id).await.unwrap();
    for (stream, text) in [(Stream::Stdout, "a\nc\n"), (Stream::Stderr, "b\n")] {
        let pieces = engine.logs(&id, false, stream).map(|piece| piece.unwrap().1).collect::<Vec<_>>();
        assert_eq!(timeout(Duration::from_secs(20), pieces).await.unwrap().concat(), text.as_bytes());
    }
}

#[tokio::test]
async fn an_anonymous_volume_goes_with_its_container() {
    let Some(host) = host() else { return };
    let (engine, name) = (at(&host).await, Name::new());
    let mut body = body(&["true"]);
    let mount = Mount { typ: Some(MountTypeEnum::VOLUME), target: Some("/data".into()), ..Mount::default() };
    body.host_config.as_mut().unwrap().mounts = Some(vec![mount]);
    let id = engine.create(&name.0, body, soon()).await.unwrap();
    let seen = engine.inspect(&id, soon()).await.unwrap().unwrap();
    let [volume] = &seen.volumes[..] else { panic!("{:?}", seen.volumes) };
    assert!(volume.anonymous && engine.volume(&volume.name, soon()).await.unwrap());
    engine.remove(&id, soon()).await.unwrap();
    without_volume(&engine, &volume.name).await;
    assert_eq!(engine.remove_volume(&volume.name, soon()).await.unwrap(), Removal::AlreadyGone);
    assert!(!engine.exec("ff00", soon()).await.unwrap());
}

#[tokio::test]
async fn a_failed_start_says_what_is_wrong_with_the_program() {
    let Some(host) = host() else { return };
    let engine = at(&host).await;
    for (argv, kind) in [
        (["no-such-program"], ErrorKind::ProgramNotFound),
        (["/no/such/program"], ErrorKind::ProgramNotFound),
        (["/etc/passwd"], ErrorKind::NotExecutable),
    ] {
        let name = Name::new();
        let id = engine.create(&name.0, body(&argv), soon()).await.unwrap();
        let error = engine.init(&id, soon()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(engine.start(&id, soon()).await.unwrap_err().kind(), kind);
    }
    let mut body = body(&["true"]);
    body.image = Some("localhost/no-such-image:latest".into());
    let error = engine.create(&Name::new().0, body, soon()).await.unwrap_err();
    assert!(is_image_missing(&error), "{error}");
}

#[tokio::test]
async fn removed_behind_our_back_is_no_exit_and_no_hang() {
    let Some(host) = host() else { return };
    let (engine, name) = (at(&host).await, Name::new());
    let id = engine.create(&name.0, body(&["sleep", "1000"]), soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    let removal = async {
        // Two at once get in each other's way, and both say the truth.
        let (first, second) = future::join(engine.remove(&id, soon()), engine.remove(&id, soon())).await;
        let removals = [first.unwrap(), second.unwrap()];
        assert!(removals.contains(&Removal::Removed), "{removals:?}");
    };
    let wait = timeout(Duration::from_secs(20), engine.ended(&id));
    let (ended, ()) = future::join(wait, removal).await;
    for error in [ended.unwrap().unwrap_err(), engine.ended(&id).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::UnknownTask, "{error}");
    }
}

#[tokio::test]
async fn a_signal_reaches_the_first_process() {
    let Some(host) = host() else { return };
    let (engine, name) = (at(&host).await, Name::new());
    let id = engine.create(
        &name.0,
        body(&["sh", "-c", "trap 'exit 3' USR1; echo; while :; do sleep 0.01; done"]),
        soon(),
    );
    let id = id.await.unwrap();
    let mut attached = engine.attach(&id, false, false, soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    attached.output.next().await.unwrap().unwrap();
    engine.kill(&id, "SIGUSR1", soon()).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(20), engine.ended(&id)).await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn a_container_is_frozen_and_thawed() {
    let Some(host) = host() else { return };
    let (engine, name) = (at(&host).await, Name::new());
    let id = engine.create(&name.0, body(&["sleep", "1000"]), soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    match engine.pause(&id, soon()).await {
        Err(error) if engine.is_rootless() => {
            assert!(error.to_string().contains("cgroup"), "{error}");
            println!("skipped: {error}");
            return;
        }
        result => result.unwrap(),
    }
    assert_eq!(engine.inspect(&id, soon()).await.unwrap().unwrap().status, Status::Paused);
    engine.unpause(&id, soon()).await.unwrap();
    assert_eq!(engine.inspect(&id, soon()).await.unwrap().unwrap().status, Status::Running);
}
