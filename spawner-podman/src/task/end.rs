//! The end of a task's main process: awaited, told, brought about.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use spawner_core::journal::Note;
use spawner_core::{Error, ErrorKind, Exit, Result};
use tokio::time::Instant;

use super::counters::Counters;
use super::live::Live;
use crate::engine::{Seen, Status};
use crate::local::Local;

/// How long the engine may take to tell what it knows of an end that was seen already.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an engine on another machine may be silent before its tasks count as lost.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a process may take to end after its pipe broke, before the kernel is taken to have withheld that.
const HEARING: Duration = Duration::from_millis(100);

impl Live {
    /// How the main process ended, as far as that is known without asking the engine. A kill may turn out to have
    /// been one by the memory limit, as [`Live::ended`] says.
    pub(crate) fn exit(&self) -> Option<(Exit, Instant)> {
        if let Some(exit) = self.memo().exit.clone() {
            return Some(exit);
        }
        let (exit, certain) = self.seen_to_end(self.local.as_ref()?)?;
        if certain { Some(self.note(exit)) } else { Some((exit, Instant::now())) }
    }

    /// The main process ended like this; the first who says so is believed.
    pub(crate) fn note(&self, exit: Exit) -> (Exit, Instant) {
        let mut memo = self.memo();
        if let Some(known) = &memo.exit {
            return known.clone();
        }
        let ended = memo.exit.insert((exit.clone(), Instant::now())).clone();
        drop(memo);
        // What nobody could tell now, somebody may be told later.
        let is_lasting = self.is_detached() && !matches!(exit, Exit::Lost { .. });
        if let Some(page) = self.page.as_ref().filter(|_| is_lasting) {
            let note = Note::Ended { exit, at: jiff::Timestamp::now().to_string() };
            if let Err(error) = page.note(&note) {
                tracing::warn!(%error, "the record does not say how the task ended");
            }
        }
        ended
    }

    /// Waits for the end of the main process. Repeatable, and cancel-safe.
    pub(crate) async fn ended(&self) -> (Exit, Instant) {
        if let Some(known) = self.memo().exit.clone() {
            return known;
        }
        let exit = match &self.local {
            Some(local) => {
                local.ended().await;
                self.end_of(local).await
            }
            None => self.engine_s_word().await,
        };
        self.note(exit)
    }

    /// How it ended, if it did, as far as that can be told without waiting.
    pub(crate) async fn state(&self) -> Result<Option<Exit>> {
        if let Some((exit, _)) = self.exit() {
            return Ok(Some(exit));
        }
        match &self.local {
            // The kernel says that it ended, and not how; the engine knows soon.
            Some(local) if local.has_ended() => Ok(Some(self.ended().await.0)),
            Some(_) => Ok(None),
            None => {
                let by = Instant::now() + PATIENCE;
                Ok(match self.inspect(&self.engine(by).await?, by).await? {
                    None => Some(self.note(removed()).0),
                    Some(seen) if seen.status.is_over() => Some(self.note(exit_of_code(&seen)).0),
                    Some(_) => None,
                })
            }
        }
    }

    /// How a first process of this host ended, where the kernel tells; and whether it can be believed, or may have been
    /// for want of memory.
    fn seen_to_end(&self, local: &Local) -> Option<(Exit, bool)> {
        let exit = exit_of(local.status()?);
        let counters = self.counters.get_or_init(|| Counters::read(local.groups()));
        if !self.limited || !is_kill(&exit) {
            return Some((exit, true));
        }
        Some(match counters.kills() {
            Some(0) => (exit, true),
            Some(_) => (Exit::OutOfMemory, true),
            None => (exit, false),
        })
    }

    async fn end_of(&self, local: &Local) -> Exit {
        let exact = match self.seen_to_end(local) {
            Some((exit, true)) => return exit,
            unsure => unsure.map(|(exit, _)| exit),
        };
        let by = Instant::now() + PATIENCE;
        match (self.inspect_ended(by).await, exact) {
            (Ok(Some(seen)), _) if seen.oom => Exit::OutOfMemory,
            (_, Some(exit)) => exit,
            (Ok(Some(seen)), None) => exit_of_code(&seen),
            (Ok(None), None) => removed(),
            (Err(error), None) => Exit::Lost { why: error.to_string() },
        }
    }

    /// What the engine says of a container whose init has ended, once it has noticed that.
    async fn inspect_ended(&self, by: Instant) -> Result<Option<Seen>> {
        let (engine, container) = (self.engine(by).await?, self.container());
        let mut pause = Duration::from_millis(2);
        loop {
            match engine.inspect(&container, by).await? {
                Some(seen) if matches!(seen.status, Status::Running | Status::Paused) => {
                    if Instant::now() >= by {
                        return Err(Error::new(ErrorKind::TimedOut, "learn how it ended", seen.id)
                            .because("the engine takes it for running"));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                other => return Ok(other),
            }
        }
    }

    /// The end as the engine tells it, which is all there is where it runs elsewhere. An engine that is silent for
    /// too long leaves the task lost, not its caller waiting.
    async fn engine_s_word(&self) -> Exit {
        let mut heard = Instant::now();
        loop {
            let by = Instant::now() + PATIENCE;
            let why = match self.ask_for_the_end(by, &mut heard).await {
                Ok(exit) => return exit,
                Err(error) if error.kind() == ErrorKind::UnknownTask => return removed(),
                Err(error) => error,
            };
            if heard.elapsed() >= SILENCE {
                return Exit::Lost { why: why.to_string() };
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Nobody takes what it writes any more. Ends its main process as the kernel would if it held the pipe itself.
    pub(super) async fn break_pipe(&self) -> Result<()> {
        self.signal(Signal::PIPE.as_raw()).await?;
        // A first process without a handler does not get it (pid_namespaces(7)).
        if tokio::time::timeout(HEARING, self.ended()).await.is_err() {
            self.signal(Signal::KILL.as_raw()).await?;
        }
        Ok(())
    }

    /// Sends a signal to its main process.
    pub(crate) async fn signal(&self, signal: i32) -> Result<()> {
        let id = self.id.to_string();
        let unknown = |why: &'static str| Error::new(ErrorKind::UnknownTask, "signal task", &id).because(why);
        if self.exit().is_some() {
            return Err(unknown("it has ended"));
        }
        let Some(local) = &self.local else {
            let by = Instant::now() + PATIENCE;
            let sent = self.signal_by_engine(&self.engine(by).await?, &signal.to_string(), by).await?;
            return sent.then_some(()).ok_or_else(|| unknown("there is no container of it"));
        };
        match local.signal_init(signal) {
            Ok(true) => Ok(()),
            Ok(false) => Err(unknown("it has ended")),
            Err(error) => Err(Error::io(format!("send signal {signal} to task"), id, error)),
        }
    }

    async fn ask_for_the_end(&self, by: Instant, heard: &mut Instant) -> Result<Exit> {
        let engine = self.engine(by).await?;
        let seen = self.inspect(&engine, by).await?;
        *heard = Instant::now();
        let container = match seen {
            None => return Ok(removed()),
            Some(seen) if seen.status.is_over() => return Ok(exit_of_code(&seen)),
            Some(seen) => seen.id,
        };
        // An engine that was stopped answers nothing, so it is asked again now and then.
        match tokio::time::timeout(SILENCE / 6, engine.ended(&container)).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Err(Error::new(ErrorKind::TimedOut, "learn how it ended", container)),
        }
    }
}

fn removed() -> Exit {
    Exit::Lost { why: "somebody removed its container before it was seen to end".to_owned() }
}

fn is_kill(exit: &Exit) -> bool {
    // An init that passes its child's end on says 137 (128 and SIGKILL).
    matches!(exit, Exit::Signalled { signal: 9, .. } | Exit::Exited { code: 137 })
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Exited { code },
        (None, Some(signal)) => Exit::Signalled { signal, core: status.core_dumped() },
        (None, None) => Exit::Lost { why: format!("it ended with the strange status {status}") },
    }
}

/// An engine tells a signal as 128 and its number, as a shell does, so that an exit with that status is told alike.
pub(crate) fn exit_of_code(seen: &Seen) -> Exit {
    match seen.exit_code.and_then(|code| i32::try_from(code).ok()) {
        _ if seen.oom => Exit::OutOfMemory,
        Some(code @ 129..=159) => Exit::Signalled { signal: code - 128, core: false },
        Some(code) => Exit::Exited { code },
        None => Exit::Lost { why: "the engine does not say how it ended".to_owned() },
    }
}
