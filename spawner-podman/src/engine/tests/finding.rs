//! Which engine is found, and what is said where there is none.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use spawner_core::ErrorKind;

use super::*;
use crate::engine::Brand;

/// Answers every request at a socket with this.
pub(super) fn canned(folder: &Path, answer: impl Fn(&str) -> String + Send + 'static) -> PathBuf {
    let socket = folder.join("canned.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // Ends with the process of the tests: it waits for a client and does nothing.
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut request) = (client.unwrap(), [0; 4096]);
            let read = client.read(&mut request).unwrap();
            client.write_all(answer(&String::from_utf8_lossy(&request[..read])).as_bytes()).unwrap();
        }
    });
    socket
}

async fn refused(config: &PodmanConfig) -> spawner_core::Error {
    match Engine::connect(config, Instant::now() + Duration::from_millis(500)).await {
        Ok(engine) => panic!("{engine:?} was taken"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn an_engine_is_identified_and_says_how_to_remove_by_hand() {
    let Some(host) = host() else { return };
    let engine = at(&host).await;
    assert_eq!(engine.brand(), Brand::Podman);
    assert!(engine.is_here() && !engine.version().is_empty() && !engine.endpoint().private);
    assert_eq!(engine.is_rootless(), !rustix::process::geteuid().is_root());
    let remedy = engine.by_hand("rm abc");
    assert_eq!(remedy, format!("podman --url {host} rm abc"));
    let again = Engine::at(engine.endpoint(), &PodmanConfig::default(), soon()).await.unwrap();
    assert_eq!(again.endpoint(), engine.endpoint());
}

#[tokio::test]
async fn what_was_named_and_is_not_there_is_an_error_and_nothing_else_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.sock");
    let mut config = named(absent.to_str().unwrap());
    // Would be asked to start an engine.
    config.program = "/no/such/podman".into();
    let error = refused(&config).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("podman system service"), "{error}");
    // One that nobody listens at any more.
    drop(UnixListener::bind(&absent).unwrap());
    assert_eq!(refused(&config).await.kind(), ErrorKind::Unavailable);
    let error = refused(&named("ssh://somewhere/run/podman/podman.sock")).await;
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("ssh -N -L"), "{error}");
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_told_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("silent.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let began = Instant::now();
    assert_eq!(refused(&named(socket.to_str().unwrap())).await.kind(), ErrorKind::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn what_is_no_engine_is_not_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket =
        canned(folder.path(), |_| "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 2\r\n\r\nOK".into());
    let error = refused(&named(socket.to_str().unwrap())).await;
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("neither"), "{error}");
}

#[tokio::test]
async fn docker_is_taken_where_it_is_named_and_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let answer = "HTTP/1.1 200 OK\r\nServer: Docker/24.0.5 (linux)\r\nContent-Length: 2\r\n\r\nOK";
    let socket = canned(folder.path(), |_| answer.into());
    let engine = at(socket.to_str().unwrap()).await;
    assert_eq!((engine.brand(), engine.version()), (Brand::Docker, "24.0.5"));
    let remedy = format!("docker --host unix://{} rm abc", socket.display());
    assert_eq!(engine.by_hand("rm abc"), remedy);
    // There is no such step with it.
    assert!(!engine.init("abc", soon()).await.unwrap());
}

#[tokio::test]
async fn a_socket_of_somebody_else_is_denied_with_what_would_help() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: root is denied no socket");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("closed.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(refused(&named(socket.to_str().unwrap())).await.kind(), ErrorKind::Denied);
}
