//! Replies that are lost, halved, or another one than was to be expected.

use spawner_core::{ErrorKind, Output, ResourceKind, Spawner, TaskId, TaskSpec, Teardown};

use crate::engine::{IMAGE, backend, containers, given, podman, stubborn, until};
use crate::meddler::{Deed, Meddler, name_in};

const FIVE_HUNDRED: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
    Content-Length: 30\r\nConnection: close\r\n\r\n{\"message\":\"the moon is full\"}";

/// A task whose container has a label of its own, and that label.
fn labelled() -> (TaskSpec, String) {
    let (mut spec, value) = (stubborn().stdout(Output::Stream), TaskId::random().to_string());
    spec.container.labels.insert("faults".into(), value.clone());
    (spec, format!("label=faults={value}"))
}

fn with_label(address: &str, label: &str) -> String {
    let told =
        podman(address, &["ps", "--all", "--no-trunc", "--filter", label, "--format", "{{.ID}} {{.Status}}"]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8_lossy(&told.stdout).trim().to_owned()
}

/// Whatever befalls the first reply to any of the requests that make a task: it comes up and can be ended, or the start
/// fails and nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_lost_or_damaged_reply_leaves_nothing() {
    let Some(steady) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let meddler = Meddler::start(folder.path(), &steady);
    let spawner = backend(meddler.address(), folder.path());
    let deeds: [fn() -> Deed; 3] = [|| Deed::LoseReply, || Deed::HalveReply, || Deed::Refuse(FIVE_HUNDRED)];
    let mut failed = 0;
    for request in ["/containers/create", "/init", "/attach", "/start", "/json"] {
        for (index, deed) in deeds.into_iter().enumerate() {
            let (spec, label) = labelled();
            let mut done = false;
            meddler.plan(move |line| {
                let path = line.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
                let hit = !done && path.contains("/containers/") && path.ends_with(request);
                // An attached stream has no end by which its reply could be told.
                let hit = hit && !(path.ends_with("/attach") && index < 2);
                done |= hit;
                if hit { deed() } else { Deed::Pass }
            });
            match spawner.spawn_task(&spec).await {
                Ok(task) => {
                    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
                    assert!(outcome.is_clean(), "{request}, {index}: {outcome}");
                }
                Err(error) => {
                    failed += 1;
                    let clean = error.cleanup().is_none_or(spawner_core::CleanupOutcome::is_clean);
                    assert!(clean, "{request}, {index}: {error}");
                }
            }
            let left = with_label(&steady, &label);
            assert_eq!(left, "", "{request}, {index}: a container is left");
        }
    }
    assert!(failed > 0, "no reply was ever missed, so this test asserts nothing");
    spawner.shutdown().await.unwrap();
}

/// The start is undone by name, and the name is a stranger's: whether the engine says so, or nobody hears what it says.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_an_error_and_its_owner_is_left_alone() {
    let Some(steady) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let meddler = Meddler::start(folder.path(), &steady);
    let spawner = backend(meddler.address(), folder.path());
    let answers: [(fn() -> Deed, ErrorKind); 2] =
        [(|| Deed::Pass, ErrorKind::Taken), (|| Deed::LoseReply, ErrorKind::Unavailable)];
    for (deed, kind) in answers {
        let (spec, label) = labelled();
        let (address, mut taken) = (steady.clone(), false);
        meddler.plan(move |line| {
            if taken || !line.contains("/containers/create") {
                return Deed::Pass;
            }
            taken = true;
            take(&address, line);
            deed()
        });
        let error = spawner.spawn_task(&spec).await.map(|task| task.id()).expect_err("the name is taken");
        let stranger = with_label(&steady, "label=stranger=yes");
        let removed = podman(&steady, &["rm", "--force", stranger.split(' ').next().unwrap_or_default()]);
        assert_eq!(error.kind(), kind, "{error}");
        assert_ne!(stranger, "", "a container that is not the task's was removed");
        assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
        assert_eq!(with_label(&steady, &label), "");
    }
    spawner.shutdown().await.unwrap();
}

/// Makes a stranger's container under the name that this request asks for.
fn take(address: &str, request: &str) {
    let name = name_in(request);
    let made = podman(address, &["create", "--name", name, "--label", "stranger=yes", IMAGE, "true"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// What the engine says of a removal that it refuses is what people are told, and the container is there to be removed
/// later.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_fails_is_named_with_the_engine_s_own_words() {
    let Some(steady) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let meddler = Meddler::start(folder.path(), &steady);
    let spawner = backend(meddler.address(), folder.path());
    let task = spawner.spawn_task(&stubborn()).await.unwrap();
    let id = containers(&steady, &task).remove(0);
    meddler.plan(|line| if line.starts_with("DELETE ") { Deed::Refuse(FIVE_HUNDRED) } else { Deed::Pass });
    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
    assert!(!outcome.is_clean(), "false clean: {outcome}");
    let told = outcome.to_string();
    assert!(told.contains(&id) && told.contains("the moon is full"), "{told}");
    let process = outcome.leftovers().find(|leftover| leftover.resource().kind == ResourceKind::Process);
    assert!(process.is_none(), "false dirty: {told}");
    assert_eq!(containers(&steady, &task), [id], "nobody removed it");
    meddler.plan(|_| Deed::Pass);
    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
    assert!(outcome.is_clean(), "{outcome}");
    assert_eq!(containers(&steady, &task), [""; 0]);
    spawner.shutdown().await.unwrap();
}

/// The container is removed, and the reply says nothing, or half of something.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_whose_reply_is_lost_is_found_out_by_looking() {
    let Some(steady) = given() else { return };
    let folder = tempfile::tempdir().unwrap();
    let meddler = Meddler::start(folder.path(), &steady);
    let spawner = backend(meddler.address(), folder.path());
    for halve in [false, true] {
        let task = spawner.spawn_task(&stubborn()).await.unwrap();
        let mut done = false;
        meddler.plan(move |line| {
            let hit = line.starts_with("DELETE ") && !done;
            done |= hit;
            match hit {
                true if halve => Deed::HalveReply,
                true => Deed::LoseReply,
                false => Deed::Pass,
            }
        });
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        assert!(outcome.is_clean(), "it is gone, and the outcome says: {outcome}");
        until("the container is gone", || containers(&steady, &task).is_empty());
    }
    spawner.shutdown().await.unwrap();
}
