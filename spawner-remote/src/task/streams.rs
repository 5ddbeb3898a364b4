//! Carries what comes out of a task to where it is wanted.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use spawner_core::TaskStreams;
use spawner_core::carry::{self, AHEAD, Flow, Opened, REST, Sink, Source, Trouble};
use spawner_core::stream::Reader;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::live::Live;
use crate::session::Gone;

/// How long nothing may come, once the task has ended and its linger is over, before nothing more is waited for, where
/// something is left that may hold the stream.
const QUIET: Duration = Duration::from_millis(300);

/// Likewise, where it is not known whether anything is left.
const UNSURE: Duration = Duration::from_secs(5);

/// What carries the streams of one task.
pub(super) struct Carrier {
    sinks: [Sink; 2],
    stdin: Option<std::fs::File>,
    troubles: [Trouble; 2],
}

impl Carrier {
    /// What was opened, and the embedder's ends of it, but for the input.
    pub(super) fn of(opened: Opened) -> (Self, TaskStreams, bool) {
        let Opened { input, outputs: [stdout, stderr], .. } = opened;
        let troubles = [Trouble::default(), Trouble::default()];
        let (out, stdout) = Sink::of(stdout, &troubles[0]);
        let (err, stderr) = Sink::of(stderr, &troubles[1]);
        let boxed = |output| Box::new(output) as Reader;
        let streams =
            TaskStreams { stdout: stdout.map(boxed), stderr: stderr.map(boxed), ..TaskStreams::default() };
        let (stdin, embedder) = match input {
            Source::Nothing => (None, false),
            Source::Embedder => (None, true),
            Source::File(file) => (Some(file), false),
        };
        (Self { sinks: [out, err], stdin, troubles }, streams, embedder)
    }

    /// Carries until the end. `stdin` is `None` where the embedder has it.
    pub(super) fn start(
        self,
        live: &Arc<Live>,
        stdin: Option<ChildStdin>,
        stdout: BufReader<ChildStdout>,
        stderr: BufReader<ChildStderr>,
    ) -> (Flow, bool) {
        let Self { sinks: [out, err], stdin: file, troubles: [no_out, no_err] } = self;
        if let (Some(file), Some(stdin)) = (file, stdin) {
            let (live, stdin) = (Arc::clone(live), Box::new(stdin));
            live.host.clone().spawn(async move { carry::feed(live.id, file, stdin, live.ended()).await });
        }
        let (done, awaited) = watch::channel(());
        let files = out.is_file() || err.is_file();
        let mine = Arc::clone(live);
        live.host.spawn(async move {
            tokio::join!(carry(stdout, out, &no_out, &mine), carry(stderr, err, &no_err, &mine));
            drop(done);
        });
        (awaited, files)
    }
}

async fn carry(
    mut from: BufReader<impl AsyncRead + Unpin>,
    mut sink: Sink,
    trouble: &Trouble,
    live: &Arc<Live>,
) {
    let mut over = pin!(async {
        let (_, ended_at) = live.ended().await;
        sleep_until(ended_at + live.linger).await;
    });
    let (mut is_over, mut rest) = (false, REST);
    let ended = loop {
        let piece = if is_over {
            tokio::select! {
                biased;
                piece = next(&mut from) => piece,
                () = quiet(live) => break Ok(()),
            }
        } else {
            tokio::select! {
                biased;
                () = &mut over => {
                    is_over = true;
                    continue;
                }
                piece = next(&mut from) => piece,
            }
        };
        match piece {
            Ok(piece) if piece.is_empty() => break Ok(()),
            Ok(piece) => {
                if is_over {
                    rest = rest.saturating_sub(piece.len());
                }
                if let Err(error) = sink.take(piece).await {
                    // Where nobody reads, the far end is told by closing: the task's pipe is broken, as here.
                    break if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) };
                }
                if rest == 0 {
                    break Ok(());
                }
            }
            Err(error) => break Err(error),
        }
    };
    let why = match ended {
        Err(error) => Some(error.to_string()),
        Ok(()) if !is_over && timeout(AHEAD, live.ended()).await.is_ok() && live.is_lost() => {
            Some("the connection was lost before the task's end was heard of".to_owned())
        }
        Ok(()) => None,
    };
    if let Some(why) = why {
        tracing::warn!(task = %live.id, why, "output of the task may be missing");
        trouble.get_or_init(|| why);
    }
    if let Err(error) = sink.finish().await
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        tracing::warn!(task = %live.id, %error, "output of the task is lost");
    }
}

/// Returns when nothing more is to be waited for. Where everything is gone, nobody holds the stream any more: its end is
/// on the way, also where that is slow, or the connection ends, and it with it.
async fn quiet(live: &Live) {
    let quiet = Instant::now() + QUIET;
    let heard = timeout(UNSURE, live.hears(|heard| heard.left || heard.deaf || heard.gone.is_some())).await;
    let is_gone = || live.ear.borrow().gone.as_ref().is_some_and(Gone::is_certain);
    if heard.is_ok() && !is_gone() {
        tokio::select! {
            () = sleep_until(quiet) => {}
            () = live.hears(|heard| heard.gone.is_some()) => sleep_until(quiet).await,
        }
    }
    if is_gone() {
        std::future::pending::<()>().await;
    }
}

/// What is there; nothing at the end of file.
async fn next(from: &mut BufReader<impl AsyncRead + Unpin>) -> io::Result<Bytes> {
    let piece = Bytes::copy_from_slice(from.fill_buf().await?);
    from.consume(piece.len());
    Ok(piece)
}
