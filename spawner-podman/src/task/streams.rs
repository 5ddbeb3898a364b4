//! Carries what goes into a container and what comes out of it.
//!
//! One connection carries all three streams, so that one of the outputs that nobody reads stops the other, as soon as
//! what the engine and we hold of it is full.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use spawner_core::carry::{self, AHEAD, Flow, Opened, REST, Sink, Source, Trouble};
use spawner_core::stream::Writer;
use spawner_core::{ErrorKind, TaskStreams};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::input;
use super::live::Live;
use super::terminal;
use crate::engine::{Attached, Brand, Engine, Output, Stream};

/// How long nothing may come, once the task has ended and its linger is over, before nothing more is waited for. Where
/// whoever could write has ended with it, the end of the stream is waited for.
const QUIET: Duration = Duration::from_millis(100);

/// Everything that carries the streams of one task.
pub(super) struct Carrier {
    pieces: Output,
    sinks: [Sink; 2],
    input: Option<(std::fs::File, Writer)>,
    brand: Brand,
    trouble: Trouble,
}

impl Carrier {
    /// Joins what was attached with what was opened; gives the embedder's ends.
    pub(super) fn join(
        attached: Attached,
        opened: Opened,
        engine: &Engine,
        container: &str,
    ) -> (Self, TaskStreams) {
        let Attached { output: pieces, input: writer } = attached;
        let writer: Writer = Box::new(input::Input::of(writer));
        let Opened { input, outputs: [stdout, stderr], terminal } = opened;
        let trouble = Trouble::default();
        let (out, stdout) = Sink::of(stdout, &trouble);
        let (err, stderr) = Sink::of(stderr, &trouble);
        let mut streams = TaskStreams::default();
        let (mut file, mut embedder) = (None, None);
        match input {
            Source::Nothing => {}
            Source::Embedder => embedder = Some(writer),
            Source::File(source) => file = Some((source, writer)),
        }
        match (terminal, stdout, embedder) {
            (true, Some(output), Some(writer)) => {
                streams.terminal = Some(terminal::near(output, writer, engine, container));
            }
            (_, stdout, embedder) => {
                streams.stdout = stdout.map(|output| Box::new(output) as _);
                streams.stderr = stderr.map(|output| Box::new(output) as _);
                streams.stdin = embedder;
            }
        }
        let sinks = [out, if terminal { Sink::Nothing } else { err }];
        (Self { pieces, sinks, input: file, brand: engine.brand(), trouble }, streams)
    }

    /// Carries until the end.
    pub(super) fn start(self, live: &Arc<Live>) -> Option<Flow> {
        let Self { pieces, sinks, input, brand, trouble } = self;
        if let Some((file, writer)) = input {
            let live = Arc::clone(live);
            tokio::spawn(async move { carry::feed(live.id, file, writer, live.ended()).await });
        }
        let (done, awaited) = watch::channel(());
        let awaited = sinks.iter().any(Sink::is_file).then_some(awaited);
        let live = Arc::clone(live);
        tokio::spawn(async move {
            carry(pieces, sinks, brand, &trouble, &live).await;
            drop(done);
        });
        awaited
    }
}

async fn carry(mut pieces: Output, mut sinks: [Sink; 2], brand: Brand, trouble: &Trouble, live: &Live) {
    let mut over = pin!(async {
        let (_, ended_at) = live.ended().await;
        sleep_until(ended_at + live.linger).await;
    });
    let (mut is_over, mut rest) = (false, REST);
    // With its first process the kernel ends everyone who could write.
    let all_end = live.local.as_ref().is_some_and(|local| local.has_own_pids());
    let why = loop {
        let piece = if is_over {
            match timeout(if all_end { AHEAD } else { QUIET }, pieces.next()).await {
                Ok(piece) => piece,
                Err(_) if all_end => {
                    break Some("the engine did not end the stream with the task".to_owned());
                }
                Err(_) => break None,
            }
        } else {
            tokio::select! {
                biased;
                () = &mut over => {
                    is_over = true;
                    continue;
                }
                piece = pieces.next() => piece,
            }
        };
        match piece {
            Some(Ok((which, piece))) => {
                if is_over {
                    rest = rest.saturating_sub(piece.len());
                }
                if let Err(error) = sinks[usize::from(which == Stream::Stderr)].take(piece).await {
                    refused(&error, live).await;
                }
                if rest == 0 {
                    break None;
                }
            }
            None if !is_over && is_early(brand, live).await => {
                break Some("the engine closed the stream before the task ended".to_owned());
            }
            None => break None,
            Some(Err(error)) => break Some(error.to_string()),
        }
    };
    if let Some(why) = why {
        tracing::warn!(task = %live.id, why, "output of the task may be missing");
        trouble.get_or_init(|| why);
    }
    for sink in sinks {
        if let Err(error) = sink.finish().await {
            refused(&error, live).await;
        }
    }
}

/// Whether a stream that has just ended did so before its task. An engine that dies closes what it carried, as it does at
/// the end.
async fn is_early(brand: Brand, live: &Live) -> bool {
    match (&live.local, brand) {
        // Podman's monitor closes it when it has reaped the first process, whatever that did with its outputs.
        (Some(local), Brand::Podman) => !local.has_ended(),
        // Docker does when nobody has the outputs any more.
        _ => timeout(AHEAD, live.ended()).await.is_err(),
    }
}

/// Nobody takes what the task writes. A process whose pipe broke would be told; one in a container cannot be, since
/// the engine holds the pipe.
async fn refused(error: &io::Error, live: &Live) {
    if error.kind() != io::ErrorKind::BrokenPipe {
        tracing::warn!(task = %live.id, %error, "output of the task is lost");
        return;
    }
    if let Err(error) = live.break_pipe().await
        && error.kind() != ErrorKind::UnknownTask
    {
        tracing::warn!(task = %live.id, %error, "nobody reads the output of the task, and it goes on");
    }
}
