//! A terminal of the task's own.

use std::sync::Arc;
use std::time::Duration;

use spawner_core::stream::Terminal;
use spawner_core::{Capability, Exit, Input, Level, Output, Task, TaskSpec, WindowSize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::detach::patient;
use super::platform;
use super::streams::rest;
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(own, "a-terminal-is-the-task-s-own", [Terminal]),
    case!(resized, "a-terminal-can-be-resized", [Terminal]),
    case!(interrupt, "an-interrupt-typed-at-the-terminal-arrives", [Terminal]),
];

/// Starts the task at a terminal of 33 by 101; `None` where the backend rightly refuses.
async fn at_terminal(scene: &Scene, spec: TaskSpec) -> Checked<Option<(Task, Terminal)>> {
    let mut spec = spec.stdin(Input::Terminal).stdout(Output::Terminal).stderr(Output::Terminal);
    spec.window = Some(WindowSize { rows: 33, columns: 101 });
    if scene.refuses(Capability::Terminal, &spec).await? {
        return Ok(None);
    }
    let task = scene.spawner.spawn_task(&spec).await?;
    let terminal = scene.spawner.task_output(&task).await?.terminal;
    Ok(Some((task, terminal.ok_or("there is no terminal".to_owned())?)))
}

async fn told(terminal: &mut Terminal) -> Checked<String> {
    let told = rest(&mut terminal.reader).await?;
    Ok(String::from_utf8_lossy(&told).replace('\r', ""))
}

async fn says(terminal: &mut Terminal, expected: &str) -> Checked {
    let told = told(terminal).await?;
    require!(told == expected, "the task said {told:?} and should say {expected:?}");
    Ok(())
}

async fn own(scene: Arc<Scene>) -> Checked {
    let spec = scene.spec("tells-terminal", [""; 0]);
    let Some((task, mut terminal)) = at_terminal(&scene, spec).await? else { return Ok(()) };
    let terminals = "terminals [true, true, true] leads true front true size ";
    let told = told(&mut terminal).await?;
    let size = told.strip_prefix(terminals);
    // Where that is no more than an effort, the size may come just after the start.
    let late = scene.level(Capability::Terminal) == Level::BestEffort && size == Some("0x0\n");
    require!(late || size == Some("33x101\n"), "the task said {told:?} and should say `{terminals}33x101`");
    scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
    scene.end(&task, &patient()).await.map(drop)
}

async fn resized(scene: Arc<Scene>) -> Checked {
    let spec = scene.spec("watches-window", ["50", "132"]);
    let Some((task, mut terminal)) = at_terminal(&scene, spec).await? else { return Ok(()) };
    scene.ready(1).await?;
    terminal.control.resize(WindowSize { rows: 50, columns: 132 })?;
    says(&mut terminal, "now 50x132\n").await?;
    scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
    scene.end(&task, &patient()).await.map(drop)
}

async fn interrupt(scene: Arc<Scene>) -> Checked {
    // The first process of a container is deaf to what it has no handler for.
    let heeds = scene.contained();
    let spec = scene.spec(if heeds { "heeds-an-interrupt" } else { "well-behaved" }, [""; 0]);
    let Some((task, mut terminal)) = at_terminal(&scene, spec).await? else { return Ok(()) };
    scene.ready(1).await?;
    terminal.writer.write_all(b"\x03").await?;
    terminal.writer.flush().await?;
    let exit = scene.wait(&task).await?;
    let died = platform::is_interrupted(&exit);
    let interrupted = if heeds { exit == (Exit::Exited { code: 33 }) } else { died };
    require!(interrupted, "the task {exit}, and should have been interrupted");
    let mut echo = [0; 16];
    let read = tokio::time::timeout(Duration::from_secs(5), terminal.reader.read(&mut echo)).await;
    let Ok(read) = read else { return Err(NotPassed::Failed("the terminal gave no echo and no end".into())) };
    read?;
    scene.end(&task, &patient()).await.map(drop)
}
