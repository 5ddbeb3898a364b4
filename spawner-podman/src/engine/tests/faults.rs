//! An engine whose answers are late, cut, or wrong.

use spawner_core::ErrorKind;

use super::proxy::{Fault, Proxy};
use super::*;
use crate::engine::Removal;

/// A proxy before the engine, and the engine seen through it.
async fn spoilt(host: &str) -> (tempfile::TempDir, Proxy, Engine) {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::before(host, &folder.path().join("proxy.sock"));
    let engine = at(&proxy.address()).await;
    (folder, proxy, engine)
}

/// A deadline for what does not come.
fn brief() -> Instant {
    Instant::now() + Duration::from_millis(300)
}

const FAULTS: [(Fault, ErrorKind, &str); 11] = [
    (Fault::Swallow, ErrorKind::TimedOut, "in time"),
    (Fault::Hang, ErrorKind::TimedOut, "in time"),
    (Fault::Delay(Duration::from_secs(3)), ErrorKind::TimedOut, "in time"),
    (Fault::Refuse, ErrorKind::Unavailable, "hung up"),
    (Fault::Cut(0), ErrorKind::Unavailable, "hung up"),
    (Fault::Cut(30), ErrorKind::Unavailable, "hung up"),
    (Fault::HalfBody, ErrorKind::Unavailable, "hung up"),
    (Fault::Corrupt, ErrorKind::Io, "cannot be understood"),
    (Fault::Garbage, ErrorKind::Io, "cannot be understood"),
    (Fault::Error("it broke"), ErrorKind::Io, "podman reported: it broke"),
    (Fault::FalseError(""), ErrorKind::Io, "status 500"),
];

#[tokio::test]
async fn no_fault_is_taken_for_an_answer_and_none_makes_a_call_last() {
    let Some(host) = host() else { return };
    let (_folder, proxy, engine) = spoilt(&host).await;
    let name = Name::new();
    let id = engine.create(&name.0, body(&["true"]), soon()).await.unwrap();
    for (fault, kind, words) in FAULTS {
        proxy.spoil("GET", "/containers/", fault.clone());
        let (began, by) = (Instant::now(), brief());
        for result in [
            engine.inspect(&id, by).await.map(|_| ()),
            engine.labelled("test.name", brief()).await.map(|_| ()),
        ] {
            let error = result.expect_err(&format!("{fault:?} went unnoticed"));
            assert_eq!(error.kind(), kind, "{fault:?}: {error}");
            assert!(error.to_string().contains(words), "{fault:?}: {error}");
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{fault:?} took {:?}", began.elapsed());
        proxy.mend();
    }
    assert_eq!(engine.remove(&id, soon()).await.unwrap(), Removal::Removed);
}

#[tokio::test]
async fn a_container_whose_making_was_not_answered_is_found_by_its_name() {
    let Some(host) = host() else { return };
    let (_folder, proxy, engine) = spoilt(&host).await;
    for fault in [Fault::Cut(0), Fault::HalfBody, Fault::Hang, Fault::FalseError("it broke"), Fault::Garbage]
    {
        let name = Name::new();
        proxy.spoil_next("POST", "/containers/create", fault.clone());
        let by = Instant::now() + Duration::from_secs(1);
        let error = engine.create(&name.0, body(&["true"]), by).await.unwrap_err();
        let seen = engine.inspect(&name.0, soon()).await.unwrap();
        assert!(seen.is_some_and(|seen| seen.name == name.0), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_removal_that_was_done_and_not_told_is_no_success_and_no_leftover() {
    let Some(host) = host() else { return };
    let (_folder, proxy, engine) = spoilt(&host).await;
    for fault in [Fault::Cut(0), Fault::FalseError("it broke"), Fault::Hang] {
        let name = Name::new();
        let id = engine.create(&name.0, body(&["true"]), soon()).await.unwrap();
        proxy.spoil_next("DELETE", "/containers/", fault.clone());
        let by = Instant::now() + Duration::from_secs(1);
        assert!(engine.remove(&id, by).await.is_err(), "{fault:?}");
        assert!(engine.inspect(&id, soon()).await.unwrap().is_none(), "{fault:?}");
        assert_eq!(engine.remove(&id, soon()).await.unwrap(), Removal::AlreadyGone);
    }
}

#[tokio::test]
async fn an_attachment_that_is_cut_is_an_error_and_not_the_end_of_the_output() {
    use futures_util::StreamExt as _;
    let Some(host) = host() else { return };
    let (_folder, proxy, engine) = spoilt(&host).await;
    let name = Name::new();
    let id = engine.create(&name.0, body(&["echo", "0123456789"]), soon()).await.unwrap();
    engine.init(&id, soon()).await.unwrap();
    // In the midst of the first piece: its header has eight bytes, and the answer's head is as long as it is.
    proxy.spoil_next("POST", "/attach", Fault::Cut(HEAD + 8 + 4));
    let mut attached = engine.attach(&id, false, false, soon()).await.unwrap();
    engine.start(&id, soon()).await.unwrap();
    let (_, first) = attached.output.next().await.unwrap().unwrap();
    assert_eq!(&first[..], b"0123");
    let error = attached.output.next().await.expect("the cut is not the end").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(attached.output.next().await.is_none());
}

/// What podman says before it hands the connection over.
const HEAD: usize =
    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
        .len();
