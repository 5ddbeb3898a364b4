//! Standard streams that reach the embedder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::stream::Reader;
use spawner_core::{Capability, ErrorKind, Exit, Input, Output, Task, TaskSpec, TaskState};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::detach::patient;
use super::platform;
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(complete, "a-slow-reader-gets-everything-in-bounded-memory", [StreamOutput]).within(120),
    case!(held, "a-held-stdout-delays-neither-exit-nor-end", [StreamOutput]),
    case!(input, "what-is-written-is-read-up-to-its-end", [StreamOutput]),
    case!(once, "streams-can-be-taken-once", [StreamOutput]),
    case!(tee, "a-tee-behind-a-pipe-loses-nothing", [StreamOutput, NameLeftBehind]),
    case!(unread, "output-that-nobody-reads-does-not-keep-a-task-alive", [StreamOutput]),
];

const STREAM: Capability = Capability::StreamOutput;

/// Starts the task with its standard output as a stream; `None` where the backend rightly refuses.
async fn streamed(scene: &Scene, spec: TaskSpec) -> Checked<Option<(Task, Reader)>> {
    let spec = spec.stdout(Output::Stream);
    if scene.refuses(STREAM, &spec).await? {
        return Ok(None);
    }
    let task = scene.spawner.spawn_task(&spec).await?;
    let stdout = scene.spawner.task_output(&task).await?.stdout;
    Ok(Some((task, stdout.ok_or("there is no stream of standard output".to_owned())?)))
}

/// Reads to the end, which must come in time.
pub(super) async fn rest(reader: &mut Reader) -> Checked<Vec<u8>> {
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), reader.read_to_end(&mut all)).await;
    let Ok(read) = read else {
        return Err(NotPassed::Failed(format!("the stream did not end; {} bytes were read", all.len())));
    };
    read?;
    Ok(all)
}

async fn complete(scene: Arc<Scene>) -> Checked {
    const SIZE: usize = 8 << 20;
    let Some((task, mut stdout)) = streamed(&scene, scene.spec("pours", [SIZE.to_string()])).await? else {
        return Ok(());
    };
    // While nobody reads, the writer must come to a stop, and not the memory of the harness to an end.
    let ended = tokio::time::timeout(Duration::from_millis(300), scene.spawner.wait_task(&task)).await;
    require!(ended.is_err(), "8 MiB were taken from the task before anybody read them");
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::time::timeout(Duration::from_secs(10), stdout.read(&mut buffer)).await;
        match read.map_err(|_| format!("the stream stood still after {} bytes", all.len()))?? {
            0 => break,
            count => all.extend_from_slice(&buffer[..count]),
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
    let right = |(index, line): (usize, &[u8])| line == format!("{index:063}\n").as_bytes();
    require!(all.len() == SIZE, "{} of {SIZE} bytes arrived", all.len());
    require!(all.chunks(64).enumerate().all(right), "the bytes that arrived are not those that were written");
    scene.end(&task, &patient()).await.map(drop)
}

async fn held(scene: Arc<Scene>) -> Checked {
    let Some((task, mut stdout)) = streamed(&scene, scene.spec("holds-stdout", [""; 0])).await? else {
        return Ok(());
    };
    let began = Instant::now();
    scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
    let all = rest(&mut stdout).await?;
    let took = began.elapsed();
    require!(all == b"held\n", "the stream held {:?}", String::from_utf8_lossy(&all));
    require!(took < Duration::from_secs(3), "the end of the stream took {took:?}");
    scene.end(&task, &patient()).await.map(drop)
}

async fn input(scene: Arc<Scene>) -> Checked {
    let spec = scene.spec("echoes", [""; 0]).stdin(Input::Stream).stdout(Output::Stream);
    if scene.refuses(STREAM, &spec).await? {
        return Ok(());
    }
    let task = scene.spawner.spawn_task(&spec).await?;
    let streams = scene.spawner.task_output(&task).await?;
    let (Some(mut stdin), Some(mut stdout)) = (streams.stdin, streams.stdout) else {
        return Err(NotPassed::Failed("a stream that was asked for is not there".into()));
    };
    let sent = vec![b'z'; 300_000];
    let write = async {
        stdin.write_all(&sent).await?;
        stdin.shutdown().await?;
        drop(stdin);
        Checked::Ok(())
    };
    let (written, read) = tokio::join!(write, rest(&mut stdout));
    written?;
    let read = read?;
    require!(read == sent, "{} bytes went in and {} came out", sent.len(), read.len());
    scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
    scene.end(&task, &patient()).await.map(drop)
}

async fn once(scene: Arc<Scene>) -> Checked {
    let Some((task, stdout)) = streamed(&scene, scene.spec("exits", ["0"])).await? else { return Ok(()) };
    let again = scene.spawner.task_output(&task).await.map(drop).map_err(|error| error.kind());
    require!(again == Err(ErrorKind::Taken), "taking the streams a second time gave {again:?}");
    drop(stdout);
    drop(scene.wait(&task).await?);
    scene.end(&task, &patient()).await.map(drop)
}

async fn tee(scene: Arc<Scene>) -> Checked {
    if scene.is_first().await? {
        let why = "a tee ends with the container's first process, by the kernel's hand";
        return Err(NotPassed::Skipped(why.into()));
    }
    let log = scene.path("log");
    let Some((task, mut stdout)) = streamed(&scene, platform::tees(&scene, &log)).await? else {
        return Ok(());
    };
    let (exit, all) = tokio::join!(scene.wait(&task), rest(&mut stdout));
    let (exit, all) = (exit?, all?);
    require!(exit.success(), "the shell {exit}");
    let outcome = scene.end(&task, &patient().linger(Duration::from_secs(5))).await?;
    let expected: String = (0..3000).map(|line| format!("line {line}\n")).chain(["x\n".to_owned()]).collect();
    require!(all == expected.as_bytes(), "{} of {} bytes reached the stream", all.len(), expected.len());
    let logged = std::fs::read(&log)?;
    require!(logged == expected.as_bytes(), "{} of {} bytes are in the log", logged.len(), expected.len());
    let left = outcome.left_behind();
    require!(left.is_empty(), "the tee finished within the linger, and yet left behind: {left:?}");
    Ok(())
}

async fn unread(scene: Arc<Scene>) -> Checked {
    let Some((task, stdout)) = streamed(&scene, scene.spec("pours", ["8000000"])).await? else {
        return Ok(());
    };
    let state = scene.spawner.task_state(&task).await?;
    require!(state == TaskState::Running, "8 MB were taken from the task before anybody read them");
    drop(scene.end(&task, &patient()).await?);
    drop(stdout);
    Ok(())
}
