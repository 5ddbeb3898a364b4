//! What goes into a container: its end of file comes with whoever had it last.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Handle;

/// The way into a container. Dropping it is the end of file.
pub(super) struct Input {
    writer: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    /// It may be dropped on a thread that belongs to no runtime.
    runtime: Handle,
}

impl Input {
    pub(super) fn of(writer: Pin<Box<dyn AsyncWrite + Send>>) -> Self {
        Self { writer: Some(writer), runtime: Handle::current() }
    }

    fn writer(&mut self) -> io::Result<Pin<&mut (dyn AsyncWrite + Send + 'static)>> {
        self.writer.as_mut().map(Pin::as_mut).ok_or(io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.writer()?.poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer()?.poll_shutdown(cx)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        self.runtime.spawn(async move {
            if let Err(error) = writer.shutdown().await {
                tracing::debug!(%error, "the task did not need the end of its input");
            }
        });
    }
}
