//! The helper: listens, and does its work when its harness is dead.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use spawner_core::TaskId;
use spawner_core::lifeline::Watch;
use tokio::io::unix::AsyncFd;

use super::words::{Charge, Word};
use super::{cleanup, process};
use crate::config::PodmanConfig;

/// What it was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) config: PodmanConfig,
    pub(super) charges: BTreeMap<TaskId, Charge>,
}

/// Runs in a process that was executed for it.
pub(super) fn main(socket: OwnedFd) -> ! {
    let done = process::settle(socket).and_then(|socket| {
        let harness = Watch::of_harness(socket.as_fd());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            rustix::io::ioctl_fionbio(&socket, true)?;
            // Kept until the end: a harness that told us to leave waits until it is closed.
            let socket = process::readable(socket)?;
            let told = listen(&socket, harness).await?;
            cleanup::all(told).await;
            Ok(())
        })
    });
    process::leave(i32::from(done.is_err()))
}

/// Listens for as long as the harness lives.
async fn listen(socket: &AsyncFd<OwnedFd>, mut harness: Watch) -> io::Result<Told> {
    let death = match harness.fd() {
        Some(fd) => Some(process::readable(fd.try_clone_to_owned()?)?),
        None => None,
    };
    let (mut told, mut heard) = (Told::default(), Vec::new());
    loop {
        if hear(socket.get_ref().as_fd(), &mut heard, &mut told)? || harness.is_dead() {
            // What it wrote before it died is there to be read.
            hear(socket.get_ref().as_fd(), &mut heard, &mut told)?;
            return Ok(told);
        }
        tokio::select! {
            ready = socket.readable() => ready?.clear_ready(),
            ready = died(death.as_ref()) => ready?,
        }
    }
}

async fn died(death: Option<&AsyncFd<OwnedFd>>) -> io::Result<()> {
    match death {
        Some(death) => death.readable().await.map(|mut ready| ready.clear_ready()),
        None => std::future::pending().await,
    }
}

/// Reads all there is. Says whether nothing more will come.
fn hear(socket: BorrowedFd<'_>, heard: &mut Vec<u8>, told: &mut Told) -> io::Result<bool> {
    let mut buffer = [0; 8192];
    let ended = loop {
        match rustix::io::read(socket, &mut buffer) {
            // It may have died with something unread in its own direction.
            Ok(0) | Err(rustix::io::Errno::CONNRESET) => break true,
            Ok(read) => heard.extend_from_slice(&buffer[..read]),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => break false,
            Err(errno) => return Err(errno.into()),
        }
    };
    while let Some(end) = heard.iter().position(|&byte| byte == b'\n') {
        let line: Vec<u8> = heard.drain(..=end).collect();
        told.note(serde_json::from_slice(&line)?);
    }
    Ok(ended)
}

impl Told {
    fn note(&mut self, word: Word) {
        match word {
            Word::Config(config) => self.config = *config,
            Word::Keep(charge) => drop(self.charges.insert(charge.task, *charge)),
            Word::Started(task, traces) => {
                if let Some(charge) = self.charges.get_mut(&task) {
                    charge.traces = Some(*traces);
                }
            }
            Word::Forget(task) => drop(self.charges.remove(&task)),
        }
    }
}
