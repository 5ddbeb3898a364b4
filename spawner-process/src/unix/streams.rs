//! The embedder's ends of a task's streams, as asynchronous readers and writers.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use spawner_core::stream::{Reader, Terminal, TerminalControl};
use spawner_core::{Error, Result, TaskStreams, WindowSize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ready::{self, Owned};
use super::stdio::{self, Ends};

/// Comes when the main process has ended and the linger is over.
pub(crate) type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes the ends usable on the runtime that this is called on.
pub(crate) fn open(ends: Ends, over: impl Fn() -> Over) -> Result<TaskStreams> {
    let failed = |source| Error::io("watch", "a stream of the task", source);
    let reader = |end: Option<OwnedFd>| -> Result<Option<Reader>> {
        end.map(|end| Ok(Box::new(Output::new(end, over()).map_err(failed)?) as Reader)).transpose()
    };
    let mut streams =
        TaskStreams { stdout: reader(ends.stdout)?, stderr: reader(ends.stderr)?, ..Default::default() };
    if let Some(stdin) = ends.stdin {
        streams.stdin = Some(Box::new(Pipe::new(stdin).map_err(failed)?));
    }
    if let Some(near) = ends.terminal {
        let copy = || near.try_clone().map_err(failed);
        streams.terminal = Some(Terminal {
            reader: Box::new(Output::new(copy()?, over()).map_err(failed)?),
            writer: Box::new(Pipe::new(copy()?).map_err(failed)?),
            control: Box::new(Control(near)),
        });
    }
    Ok(streams)
}

/// A pipe or the near end of a pseudo-terminal.
struct Pipe(AsyncFd<Owned>);

impl Pipe {
    fn new(end: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&end, true)?;
        Ok(Self(ready::watch(Arc::new(end), Interest::READABLE | Interest::WRITABLE)?))
    }

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            let unfilled = buffer.initialize_unfilled();
            let length = unfilled.len().min(most);
            match rustix::io::read(&self.0, &mut unfilled[..length]) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(read));
                }
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                // The far end of a pseudo-terminal was closed by its last holder.
                Err(Errno::IO) => return Poll::Ready(Ok(0)),
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(cx))?;
            match rustix::io::write(&self.0, data) {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// An output stream. It ends at its end of file, or once the task's main process has ended, the linger is
/// over, and what had been written by then was read: something left behind may hold the other end for ever.
struct Output {
    pipe: Pipe,
    over: Option<Over>,
    /// What may still be read after that.
    rest: Option<usize>,
}

impl Output {
    fn new(end: OwnedFd, over: Over) -> io::Result<Self> {
        Ok(Self { pipe: Pipe::new(end)?, over: Some(over), rest: None })
    }
}

impl AsyncRead for Output {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.rest == Some(0) || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match this.pipe.poll_read(cx, buffer, this.rest.unwrap_or(usize::MAX)) {
            Poll::Ready(Ok(read)) => {
                if let Some(rest) = &mut this.rest {
                    *rest = if read == 0 { 0 } else { *rest - read };
                }
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {}
        }
        if this.rest.is_some() {
            // Nothing is there any more, and nothing is waited for.
            this.rest = Some(0);
            return Poll::Ready(Ok(()));
        }
        if let Some(over) = &mut this.over {
            ready!(over.as_mut().poll(cx));
            this.over = None;
            let rest = rustix::io::ioctl_fionread(&this.pipe.0).map_err(io::Error::from)?;
            this.rest = Some(usize::try_from(rest).unwrap_or(usize::MAX));
            // What had been written by now is read, and no more: a writer that never stops has no end.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

struct Control(OwnedFd);

impl TerminalControl for Control {
    fn resize(&self, size: WindowSize) -> Result<()> {
        stdio::resize(self.0.as_fd(), size)
            .map_err(|source| Error::io("resize", "the terminal of the task", source))
    }
}
