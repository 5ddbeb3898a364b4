//! What goes into a task: from a file, from our own standard input.

use std::fs::File;
use std::io::{self, Read as _};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::id::TaskId;
use crate::stream::Writer;

/// How much is read at once; and at most two of these are read ahead of the task.
const PIECE: usize = 16 * 1024;

/// Feeds until the end of the file, or until `ended`, which is the end of the task. Reading can block, so a thread does
/// it, which ends with the task.
pub async fn feed(task: TaskId, file: File, mut writer: Writer, ended: impl Future) {
    let fed = async {
        let (mut pieces, stop) = read(file)?;
        tokio::select! {
            written = async {
                while let Some(piece) = pieces.recv().await {
                    writer.write_all(&piece).await?;
                }
                writer.shutdown().await
            } => written?,
            _ = ended => {}
        }
        drop(stop);
        Ok::<_, io::Error>(())
    };
    match fed.await {
        // The task has closed its input, or has ended.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => tracing::warn!(%task, %error, "input of the task is lost"),
        Ok(()) => {}
    }
}

/// What a thread reads, until what is returned besides is dropped.
fn read(mut file: File) -> io::Result<(mpsc::Receiver<Vec<u8>>, io::PipeWriter)> {
    let (stopped, stop) = io::pipe()?;
    let (sender, pieces) = mpsc::channel(1);
    std::thread::Builder::new().name("spawner-input".into()).spawn(move || {
        while let Ok(true) = is_ready(&file, &stopped) {
            let mut piece = vec![0; PIECE];
            match file.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => {
                    piece.truncate(read);
                    if sender.blocking_send(piece).is_err() {
                        return;
                    }
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => return tracing::warn!(%error, "the input of a task cannot be read on"),
            }
        }
    })?;
    Ok((pieces, stop))
}

/// Waits until there is something to read; `false` where nobody wants it any more.
fn is_ready(file: &File, stopped: &io::PipeReader) -> io::Result<bool> {
    loop {
        let mut both = [PollFd::new(file, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        match poll(&mut both, None) {
            Ok(_) if !both[1].revents().is_empty() => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
