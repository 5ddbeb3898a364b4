//! Where the pieces of one output stream go.

use std::fs::File;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio::sync::{mpsc, oneshot};

use super::opened::Target;

/// What lies between the task and an embedder that does not read: as much as in a pipe.
const BUFFER: usize = 64 * 1024;

/// How many pieces wait for a file that is slow.
const WAITING: usize = 2;

/// Why a stream ended early, for its reader.
pub type Trouble = Arc<OnceLock<String>>;

/// Takes what comes out of a task, to where it is wanted.
#[derive(Debug)]
pub enum Sink {
    /// It is thrown away.
    Nothing,
    /// The embedder reads it.
    Embedder(DuplexStream),
    /// A thread that is started with the first piece, since writing to a file or a terminal can block.
    File(Option<File>),
    /// That thread, and what became of its work.
    Thread(mpsc::Sender<Bytes>, oneshot::Receiver<io::Result<()>>),
}

impl Sink {
    /// The sink for a target, and the embedder's end of it where it has one.
    pub fn of(target: Target, trouble: &Trouble) -> (Self, Option<Output>) {
        match target {
            Target::Nothing => (Self::Nothing, None),
            Target::File(file) => (Self::File(Some(file)), None),
            Target::Embedder => {
                let (near, far) = duplex(BUFFER);
                (Self::Embedder(far), Some(Output { near, trouble: Arc::clone(trouble) }))
            }
        }
    }

    /// Whether somebody waits until it has everything.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_) | Self::Thread(..))
    }

    /// Takes a piece, when there is room. An error says that it takes no more.
    pub async fn take(&mut self, piece: Bytes) -> io::Result<()> {
        if let Self::File(file) = self {
            let Some(file) = file.take() else { return Ok(()) };
            *self = Self::start(file)?;
        }
        let failed = match self {
            Self::Nothing | Self::File(_) => return Ok(()),
            // Nobody wants it any more.
            Self::Embedder(far) => {
                if far.write_all(&piece).await.is_err() {
                    *self = Self::Nothing;
                }
                return Ok(());
            }
            Self::Thread(pieces, failed) => {
                if pieces.send(piece).await.is_ok() {
                    return Ok(());
                }
                failed.await
            }
        };
        *self = Self::Nothing;
        failed.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    }

    /// There is no more: returns when all of it is where it belongs.
    pub async fn finish(self) -> io::Result<()> {
        let Self::Thread(pieces, written) = self else { return Ok(()) };
        drop(pieces);
        written.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn start(mut file: File) -> io::Result<Self> {
        let (sender, mut pieces) = mpsc::channel::<Bytes>(WAITING);
        let (told, written) = oneshot::channel();
        std::thread::Builder::new().name("spawner-output".into()).spawn(move || {
            let mut write = || -> io::Result<()> {
                while let Some(piece) = pieces.blocking_recv() {
                    write_all(&mut file, &piece)?;
                }
                Ok(())
            };
            let result = write();
            pieces.close();
            if told.send(result).is_err() {
                tracing::trace!("nobody waits for the end of an output any more");
            }
        })?;
        Ok(Self::Thread(sender, written))
    }
}

/// Writes to a stream that we may share with somebody who set it to not block.
fn write_all(file: &mut File, mut piece: &[u8]) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    while !piece.is_empty() {
        match file.write(piece) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => piece = &piece[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&*file, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The embedder's end of an output stream.
#[derive(Debug)]
pub struct Output {
    near: DuplexStream,
    trouble: Trouble,
}

impl AsyncRead for Output {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let polled = Pin::new(&mut self.near).poll_read(cx, buffer);
        if room > 0
            && matches!(polled, Poll::Ready(Ok(())))
            && buffer.filled().len() == before
            && let Some(why) = self.trouble.get()
        {
            return Poll::Ready(Err(io::Error::other(why.clone())));
        }
        polled
    }
}
