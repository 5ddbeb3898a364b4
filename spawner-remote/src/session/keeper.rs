//! Holding a connection: what is said is handed on, and the lease renewed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spawner_core::TaskId;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::connection::{Lines, PARTING};
use super::{Ear, Heard, line};
use crate::lock::lock;
use crate::said::Line;

/// How long it takes at most to read what was said already.
const BACKLOG: Duration = Duration::from_millis(200);

/// Holds one connection: hands on what is said, and renews the lease.
pub(super) struct Keeper {
    pub(super) child: Child,
    pub(super) ears: Arc<Mutex<HashMap<TaskId, Ear>>>,
    pub(super) lease: Duration,
    pub(super) complaints: tokio::task::JoinHandle<String>,
    pub(super) socket: PathBuf,
}

impl Keeper {
    pub(super) async fn keep(
        mut self,
        lines: Lines,
        mut stdin: ChildStdin,
        mut orders: mpsc::UnboundedReceiver<String>,
        told: watch::Sender<Option<String>>,
        heard: watch::Sender<Instant>,
    ) {
        let mut renewed = heard.subscribe();
        let ears = Arc::clone(&self.ears);
        let mut reader = tokio::spawn(read(lines, ears, heard));
        let mut pulse = interval(self.lease / 4);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut number = 0u64;
        let why = loop {
            let words = tokio::select! {
                why = &mut reader => break why.unwrap_or_else(|error| error.to_string()),
                words = orders.recv() => match words {
                    Some(words) => words,
                    None => break String::new(),
                },
                _ = pulse.tick() => {
                    let is_silent = renewed.borrow_and_update().elapsed() > self.lease;
                    // Where it was this process that was stopped, what was said meanwhile is read first.
                    if is_silent && timeout(BACKLOG, renewed.changed()).await.is_err() {
                        break "the host has been silent for as long as its lease".to_owned();
                    }
                    number += 1;
                    format!("renew {number}")
                }
            };
            let written = timeout(self.lease, stdin.write_all(format!("{words}\n").as_bytes())).await;
            match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => break error.to_string(),
                Err(_) => break "the host takes nothing any more".to_owned(),
            }
        };
        let parted = why.is_empty();
        drop(stdin);
        // The last words of tasks may lie in the pipe.
        if !parted && !reader.is_finished() && timeout(BACKLOG, &mut reader).await.is_err() {
            tracing::debug!("something may have been said that nobody reads");
        }
        reader.abort();
        told.send_replace(Some(if parted { "it was closed".to_owned() } else { why.clone() }));
        // A host that was told to part ends what there is; that is its own business where it is not there any more.
        let patience = if parted { PARTING } else { Duration::ZERO };
        if timeout(patience, self.child.wait()).await.is_err()
            && let Err(error) = self.child.kill().await
        {
            tracing::warn!(%error, "the ssh program cannot be ended");
        }
        // A program that was killed leaves its socket.
        if let Err(error) = std::fs::remove_file(&self.socket)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::debug!(%error, path = %self.socket.display(), "a dead socket stays");
        }
        if let Ok(Ok(said)) = timeout(Duration::from_millis(100), self.complaints).await
            && !parted
        {
            let said = said.trim();
            tracing::debug!(why, said, "a connection was lost");
        }
        drop(told);
    }
}

/// Hands on what the agent says; returns why it says no more.
async fn read(
    mut lines: Lines,
    ears: Arc<Mutex<HashMap<TaskId, Ear>>>,
    heard: watch::Sender<Instant>,
) -> String {
    loop {
        let said = match line::next(&mut lines).await {
            Ok(Some(said)) => said,
            Ok(None) => return "the connection was lost".to_owned(),
            Err(error) => return error.to_string(),
        };
        heard.send_replace(Instant::now());
        match Line::parse(&said) {
            Ok(Line::Task(id, said)) => {
                if let Some(ear) = lock(&ears).get(&id) {
                    ear.send_modify(|heard| heard.note(said));
                }
            }
            Ok(Line::Deaf(pid, start)) => {
                for ear in lock(&ears).values() {
                    let its = |heard: &Heard| matches!(&heard.started, Some(Ok(started)) if started.guardian == (pid, start));
                    ear.send_if_modified(|heard| {
                        let its = its(heard);
                        heard.deaf |= its;
                        its
                    });
                }
            }
            Ok(_) => {}
            Err(bad) => tracing::warn!(%bad, "passed over"),
        }
    }
}
