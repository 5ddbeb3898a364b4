//! Getting images.

use spawner_core::ErrorKind;

use super::finding::canned;
use super::*;
use crate::engine::PullProgress;

#[tokio::test]
async fn an_image_is_there_or_not() {
    let Some(host) = host() else { return };
    let engine = at(&host).await;
    assert!(has_image(&engine, IMAGE).await);
    assert!(!has_image(&engine, "localhost/no-such-image").await);
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_is_told_in_the_engine_s_words() {
    let Some(host) = host() else { return };
    let engine = at(&host).await;
    let error = engine.pull("127.0.0.1:1/no-such-image", &mut |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1") && text.contains("connection refused"), "{text}");
}

/// An engine that answers every request for an image with these lines.
async fn fetching(folder: &std::path::Path, lines: &'static str) -> Engine {
    let socket = canned(folder, move |request| {
        let head = "HTTP/1.1 200 OK\r\nServer: Docker/24.0.5 (linux)\r\n";
        if request.starts_with("POST /images/create?") {
            // All tags are fetched of a name without one.
            assert!(request.contains("fromImage=box%3Alatest"), "{request}");
            return format!("{head}Connection: close\r\n\r\n{lines}");
        }
        format!("{head}Content-Length: 0\r\n\r\n")
    });
    at(socket.to_str().unwrap()).await
}

#[tokio::test]
async fn how_far_it_has_come_is_told_for_each_layer() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "{\"status\":\"Pulling from box\",\"id\":\"latest\"}\n\
         {\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":9},\"progress\":\"[=>]\",\"id\":\"ab\"}\n\
         {\"status\":\"Download complete\",\"progressDetail\":{},\"id\":\"ab\"}\n";
    let engine = fetching(folder.path(), lines).await;
    let mut told = Vec::new();
    engine.pull("box", &mut |progress| told.push(progress)).await.unwrap();
    let at = |layer: &str, status: &str, done, total| PullProgress {
        layer: Some(layer.into()),
        status: status.into(),
        done,
        total,
    };
    assert_eq!(
        told,
        [
            at("latest", "Pulling from box", None, None),
            at("ab", "Downloading", Some(5), Some(9)),
            at("ab", "Download complete", None, None),
        ]
    );
}

#[tokio::test]
async fn an_error_in_the_midst_of_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "{\"status\":\"Pulling\"}\n{\"errorDetail\":{\"message\":\"no space left\"},\"error\":\"no space left\"}\n";
    let engine = fetching(folder.path(), lines).await;
    let error = engine.pull("box", &mut |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("Docker reported: no space left"), "{error}");
}
