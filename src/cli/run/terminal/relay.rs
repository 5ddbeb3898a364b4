//! Carries keys, output, sizes and stops between our terminal and the task's.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use spawner::stream::{Reader, Terminal, TerminalControl, Writer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::raw::Raw;
use super::tty::Tty;
use crate::cli::stop::is_ignored;

/// How long a terminal may take to show what the task wrote last.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The joined terminals. Dropping it parts them and restores ours.
pub(crate) struct Relay {
    raw: Arc<Raw>,
    output: JoinHandle<()>,
    others: [JoinHandle<()>; 2],
}

impl Relay {
    /// Joins them.
    pub(super) fn start(tty: OwnedFd, raw: Arc<Raw>, near: Terminal) -> io::Result<Self> {
        let tty = Arc::new(Tty::new(tty)?);
        let Terminal { reader, writer, control } = near;
        let resumed = Arc::new(Notify::new());
        let stoppable = !is_ignored(Signal::TSTP.as_raw());
        let turns = Turns {
            resize: signal(SignalKind::window_change())?,
            stop: signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?,
            stoppable,
            resume: signal(SignalKind::from_raw(Signal::CONT.as_raw()))?,
        };
        raw.engage();
        let output = tokio::spawn(show(Arc::clone(&tty), reader));
        let keys = tokio::spawn(type_in(Arc::clone(&tty), Arc::clone(&raw), Arc::clone(&resumed), writer));
        let turns = tokio::spawn(turns.follow(tty, Arc::clone(&raw), resumed, control));
        Ok(Self { raw, output, others: [keys, turns] })
    }

    /// Waits until all that the task wrote is shown, and gives the terminal back.
    pub(crate) async fn finish(mut self) {
        if tokio::time::timeout(LAST_WORDS, &mut self.output).await.is_err() {
            tracing::warn!("the terminal did not take what the task wrote last");
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.output.abort();
        for task in &self.others {
            task.abort();
        }
        self.raw.end();
    }
}

/// What the task writes goes to our terminal. Where that is gone, it is read all the same, so that the
/// task is not stopped by it.
async fn show(tty: Arc<Tty>, mut reader: Reader) {
    let mut buffer = vec![0; 16 * 1024];
    let mut gone = false;
    // The near end of a pseudo-terminal says EIO where others say end of file.
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        gone = gone || tty.write_all(&buffer[..count]).await.is_err();
    }
}

/// What is typed goes to the task, while we are in the foreground.
async fn type_in(tty: Arc<Tty>, raw: Arc<Raw>, resumed: Arc<Notify>, mut writer: Writer) {
    let mut buffer = [0; 4096];
    loop {
        let ready = tokio::select! {
            typed = tty.typed(|| raw.engage()) => typed,
            () = resumed.notified() => Ok(()),
        };
        if ready.is_err() {
            return;
        }
        match tty.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if writer.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
    }
}

/// The signals that concern a terminal.
struct Turns {
    resize: tokio::signal::unix::Signal,
    stop: tokio::signal::unix::Signal,
    /// Whether our parent had us heed SIGTSTP.
    stoppable: bool,
    resume: tokio::signal::unix::Signal,
}

impl Turns {
    async fn follow(
        mut self,
        tty: Arc<Tty>,
        raw: Arc<Raw>,
        resumed: Arc<Notify>,
        control: Box<dyn TerminalControl>,
    ) {
        loop {
            tokio::select! {
                Some(()) = self.resize.recv() => {}
                Some(()) = self.stop.recv() => {
                    if !self.stoppable {
                        continue;
                    }
                    raw.restore();
                    if let Err(error) = kill_process(getpid(), Signal::STOP) {
                        tracing::warn!(%error, "cannot stop");
                    }
                    continue;
                }
                Some(()) = self.resume.recv() => {
                    if raw.engage_again() {
                        resumed.notify_one();
                    }
                }
                else => return,
            }
            // What happened while we were stopped may be a new size, too.
            if let Some(size) = super::size(&*tty)
                && let Err(error) = control.resize(size)
            {
                tracing::debug!(%error, "the task's terminal did not take its new size");
            }
        }
    }
}
