//! What goes into a task: from a file, from our own standard input.

use std::fs::File;
use std::io::{self, Read as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::id::TaskId;
use crate::stream::Writer;

/// How much is read at once; and at most two of these are read ahead of the task.
const PIECE: usize = 16 * 1024;

/// How often it is looked whether the terminal is ours again: nobody is told.
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

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

/// Waits until there is something to read that is for us; `false` where nobody wants it any more.
fn is_ready(file: &File, stopped: &io::PipeReader) -> io::Result<bool> {
    loop {
        let ours = is_ours(file);
        let mut both = [PollFd::new(stopped, PollFlags::IN), PollFd::new(file, PollFlags::IN)];
        let (watched, pause) = if ours { (2, None) } else { (1, Some(&TURN)) };
        match poll(&mut both[..watched], pause) {
            Ok(_) if !both[0].revents().is_empty() => return Ok(false),
            // It may have become somebody else's while we waited.
            Ok(_) if ours && is_ours(file) => return Ok(true),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether what is typed there is for us: of the terminal that controls us, the group in front has it, and whoever of
/// another one reads is stopped (termios(3), SIGTTIN), with every task. Anything else is ours.
fn is_ours(file: &File) -> bool {
    tcgetpgrp(file).map_or(true, |front| front == getpgrp())
}
