//! The embedder's ends of a task's streams, as asynchronous readers and writers.
#![allow(unsafe_code, reason = "tokio takes a pipe over by its bare handle")]

use std::future::Future;
use std::io;
use std::os::windows::io::{IntoRawHandle as _, OwnedHandle};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use spawner_core::stream::Reader;
use spawner_core::{Error, Result, TaskStreams};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::NamedPipeServer;

use super::live::Live;
use super::pipe;
use super::stdio::Ends;

/// How long a read that the system has finished may take to be noticed by the runtime.
const SETTLING: Duration = Duration::from_millis(50);

/// Makes the ends usable on the runtime that this is called on.
pub(super) fn open(ends: Ends, live: &Arc<Live>) -> Result<TaskStreams> {
    let failed = |source| Error::io("watch", "a stream of the task", source);
    let reader = |end: Option<OwnedHandle>| -> Result<Option<Reader>> {
        end.map(|end| Ok(Box::new(Output::new(server(end).map_err(failed)?, live)) as Reader)).transpose()
    };
    let mut streams =
        TaskStreams { stdout: reader(ends.stdout)?, stderr: reader(ends.stderr)?, ..Default::default() };
    if let Some(stdin) = ends.stdin {
        streams.stdin = Some(Box::new(server(stdin).map_err(failed)?) as Box<dyn AsyncWrite + Send + Unpin>);
    }
    Ok(streams)
}

fn server(end: OwnedHandle) -> io::Result<NamedPipeServer> {
    // SAFETY: it is the near end of a pipe of ours, made for overlapped use, and nobody else has it.
    unsafe { NamedPipeServer::from_raw_handle(end.into_raw_handle()) }
}

/// An output stream. It ends at its end of file, or once the task's main process has ended, the linger is over, and
/// what had been written by then was read: something left behind may hold the other end for ever.
struct Output {
    pipe: NamedPipeServer,
    until: Until,
}

type Alarm = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Until {
    /// The end of the main process, and its linger.
    Over(Alarm),
    /// What may still be read; and until when something may come of a read that is under way.
    Rest(usize, Alarm),
    End,
}

impl Output {
    fn new(pipe: NamedPipeServer, live: &Arc<Live>) -> Self {
        let live = Arc::clone(live);
        let over = async move {
            let (_, ended_at) = live.ended().await;
            tokio::time::sleep_until(ended_at + live.linger).await;
        };
        Self { pipe, until: Until::Over(Box::pin(over)) }
    }
}

impl AsyncRead for Output {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let most = match &this.until {
                Until::Over(_) => usize::MAX,
                Until::Rest(0, _) | Until::End => return Poll::Ready(Ok(())),
                Until::Rest(most, _) => *most,
            };
            let mut part = buffer.take(most);
            match Pin::new(&mut this.pipe).poll_read(cx, &mut part) {
                Poll::Ready(Ok(())) => {
                    let read = part.filled().len();
                    // SAFETY: the part is of this buffer, and so many bytes of it were filled.
                    unsafe { buffer.assume_init(read) };
                    buffer.advance(read);
                    match &mut this.until {
                        _ if read == 0 => this.until = Until::End,
                        Until::Rest(most, _) => *most -= read,
                        Until::Over(_) | Until::End => {}
                    }
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) if is_end(&error) => {
                    this.until = Until::End;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
            match &mut this.until {
                Until::Over(over) => {
                    ready!(over.as_mut().poll(cx));
                    // What had been written by now is read, and no more: a writer that never stops has no end. The
                    // runtime may have read one buffer ahead, which the pipe does not count.
                    let rest = pipe::waiting(&this.pipe).unwrap_or(0) + AHEAD;
                    this.until = Until::Rest(rest, Box::pin(tokio::time::sleep(SETTLING)));
                }
                Until::Rest(_, settled) => {
                    ready!(settled.as_mut().poll(cx));
                    this.until = Until::End;
                }
                Until::End => {}
            }
        }
    }
}

/// What mio reads ahead of whoever reads from it, in bytes.
const AHEAD: usize = 4096;

/// The last holder of the other end closed it.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected)
}
