//! How a task ends: by itself, when asked, by force, by a signal.

use std::sync::Arc;
use std::time::Duration;

use spawner_core::{AskScope, Capability, ErrorKind, Exit, Level, Task, TaskState, Teardown};

use super::detach::patient;
use super::platform;
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::host::Need;
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(well_behaved, "a-well-behaved-task-ends-when-asked", [EndEverything, ProveClean, AskFirst]),
    case!(ended, "a-task-that-ended-leaves-nothing", [ProveClean, ExactExit]),
    case!(ignores_term, "who-ignores-the-request-is-ended-by-force", [EndEverything, AskFirst]),
    case!(grace, "a-task-gets-its-grace", [AskFirst]),
    case!(leader, "asking-can-be-limited-to-the-main-process", [AskFirst]),
    case!(at_once, "no-grace-means-force-at-once", [EndEverything]),
    case!(on_request, "what-is-made-on-request-is-ended-too", [EndEverything]),
    case!(statuses, "exit-statuses-are-exact", [ExactExit]),
    case!(platform::signals, "signals-are-told-exactly", [ExactExit])
        .needs(&[Need::Unix("there are no signals that end a process")]),
    case!(waiting, "waiting-can-be-repeated", [ExactExit]),
    case!(signalling, "a-signal-reaches-the-main-process-and-nobody-later", [Signal]),
];

async fn well_behaved(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("well-behaved", &[], 1).await?;
    let state = scene.spawner.task_state(&task).await?;
    require!(state == TaskState::Running, "a running task is said to be {state:?}");
    let outcome = scene.end(&task, &patient()).await?;
    require!(outcome.left_behind_total() == 0, "a task that did not end by itself left something behind");
    if scene.guaranteed(Capability::AskFirst) {
        require!(!outcome.escalated(), "force was used on a task that ends when asked");
        platform::ended_when_asked(&scene, &task).await?;
    }
    Ok(())
}

async fn ended(scene: Arc<Scene>) -> Checked {
    let task = scene.start("exits", &["0"]).await?;
    scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
    let outcome = scene.end(&task, &patient()).await?;
    require!(!outcome.escalated(), "force was used on a task that had ended");
    require!(outcome.left_behind_total() == 0, "left behind: {:?}", outcome.left_behind());
    let state = scene.spawner.task_state(&task).await?;
    let exit = Exit::Exited { code: 0 };
    let known =
        state == TaskState::Gone(exit.clone()) || !outcome.is_clean() && state == TaskState::Ended(exit);
    require!(known, "a task that ended and was proved gone is said to be {state:?}");
    Ok(())
}

async fn ignores_term(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("ignores-term", &[], 2).await?;
    let grace = Duration::from_millis(200);
    let outcome = scene.end(&task, &patient().grace(grace)).await?;
    require!(outcome.escalated(), "no force was needed for a task that ignores the request");
    if scene.guaranteed(Capability::AskFirst) {
        require!(
            outcome.elapsed() >= grace,
            "force came after {:?}, and the grace is longer",
            outcome.elapsed()
        );
    }
    platform::ended_by_force(&scene, &task).await
}

async fn grace(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("takes-its-grace", &[], 1).await?;
    let outcome = scene.end(&task, &patient()).await?;
    match scene.level(Capability::AskFirst) {
        Level::Guaranteed => {
            scene.wait_for(&task, &Exit::Exited { code: 42 }).await?;
            require!(!outcome.escalated(), "force was used within the grace");
        }
        Level::BestEffort => {
            let exit = scene.wait(&task).await?;
            let asked = exit == Exit::Exited { code: 42 };
            require!(
                asked != outcome.escalated(),
                "the task {exit}, and escalated is {}",
                outcome.escalated()
            );
        }
        Level::Unsupported => {
            require!(outcome.escalated(), "who cannot ask has to use force, and says that it did not");
        }
    }
    Ok(())
}

async fn leader(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("asks-its-child", &[], 2).await?;
    let outcome = scene.end(&task, &patient().ask(AskScope::Leader)).await?;
    if scene.guaranteed(Capability::AskFirst) {
        require!(scene.witness.ready() == 2, "another process than the main one was asked");
        scene.wait_for(&task, &Exit::Exited { code: 42 }).await?;
        require!(!outcome.escalated(), "force was used within the grace");
    }
    Ok(())
}

async fn at_once(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("takes-its-grace", &[], 1).await?;
    let outcome = scene.end(&task, &Teardown::at_once()).await?;
    require!(outcome.escalated(), "a teardown without grace is force, and this one says that it was not");
    platform::ended_by_force(&scene, &task).await
}

async fn on_request(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("daemon-on-term", &[], 1).await?;
    let outcome = scene.end(&task, &patient().grace(Duration::from_millis(400))).await?;
    if scene.guaranteed(Capability::AskFirst) && scene.guaranteed(Capability::EndEverything) {
        if scene.is_first().await? {
            require!(!outcome.escalated(), "the daemon ended with the main process, and force was used");
            return scene.wait_for(&task, &Exit::Exited { code: 0 }).await;
        }
        require!(scene.witness.ready() == 2, "the daemon was not made, so the task was not asked");
        require!(outcome.escalated(), "the daemon ignores the request, and no force was used");
    }
    Ok(())
}

async fn statuses(scene: Arc<Scene>) -> Checked {
    for code in [0, 1, 7, 255] {
        let task = scene.start("exits", &[&code.to_string()]).await?;
        scene.wait_for(&task, &Exit::Exited { code }).await?;
        drop(scene.end(&task, &patient()).await?);
    }
    platform::more_statuses(&scene).await
}

async fn waiting(scene: Arc<Scene>) -> Checked {
    let exit = Exit::Exited { code: 33 };
    let task = scene.start_ready("heeds-a-signal", &[], 1).await?;
    let dropped = tokio::time::timeout(Duration::from_millis(10), scene.spawner.wait_task(&task)).await;
    require!(dropped.is_err(), "waiting for a running task returned {dropped:?}");
    if scene.level(Capability::Signal) == Level::Unsupported {
        drop(scene.end(&task, &Teardown::at_once()).await?);
        let first = scene.wait(&task).await?;
        return scene.wait_for(&task, &first).await;
    }
    let sending = async {
        let sent = scene.spawner.signal_task(&task, platform::HEEDED).await;
        heard(&scene, &task, sent).await
    };
    let (first, second, sent) = tokio::join!(scene.wait(&task), scene.wait(&task), sending);
    sent?;
    let (first, second) = (first?, second?);
    require!(first == exit && second == exit, "two who waited together were told {first} and {second}");
    scene.wait_for(&task, &exit).await?;
    drop(scene.end(&task, &patient()).await?);
    scene.wait_for(&task, &exit).await
}

/// Skips the case, and ends the task, where the backend does its best to send a signal and this place has no way.
async fn heard(scene: &Scene, task: &Task, sent: spawner_core::Result<()>) -> Checked {
    match sent {
        Err(error)
            if platform::has_no_way(&error) && scene.level(Capability::Signal) == Level::BestEffort =>
        {
            drop(scene.end(task, &Teardown::at_once()).await?);
            Err(NotPassed::Skipped(error.to_string()))
        }
        sent => Ok(sent?),
    }
}

async fn signalling(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("heeds-a-signal", &[], 1).await?;
    let sent = scene.spawner.signal_task(&task, platform::HEEDED).await;
    if scene.level(Capability::Signal) == Level::Unsupported {
        let kind = sent.map_err(|error| error.kind());
        let refused = kind == Err(ErrorKind::Unsupported(Capability::Signal));
        require!(refused, "signals are not supported, and sending one gave {kind:?}");
        drop(scene.end(&task, &Teardown::at_once()).await?);
        return Ok(());
    }
    heard(&scene, &task, sent).await?;
    scene.wait_for(&task, &Exit::Exited { code: 33 }).await?;
    let late = scene.spawner.signal_task(&task, platform::HEEDED).await.map_err(|error| error.kind());
    require!(late == Err(ErrorKind::UnknownTask), "a signal to a task that had ended gave {late:?}");
    drop(scene.end(&task, &patient()).await?);
    Ok(())
}
