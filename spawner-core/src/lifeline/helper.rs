//! The helper: listens, and does its work when its harness is dead.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::de::DeserializeOwned;
use tokio::io::unix::AsyncFd;

use super::keep::{Told, Word};
use super::{Watch, process};

/// How long a process may take to be dead once its files are closed.
const DYING: Duration = Duration::from_millis(200);

/// Runs in a process that was executed to be a helper: goes by `name`, listens for as long as the harness lives, then
/// does `work` with what it was told, and ends.
pub fn serve<S, C, F>(name: &CStr, socket: OwnedFd, work: impl FnOnce(Told<S, C>) -> F) -> !
where
    S: DeserializeOwned,
    C: DeserializeOwned,
    F: Future<Output = ()>,
{
    let done = process::settle(name, socket).and_then(|socket| {
        let harness = Watch::of_harness(socket.as_fd());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            rustix::io::ioctl_fionbio(&socket, true)?;
            // Kept until the end: a harness that told us to leave waits until it is closed.
            let socket = process::readable(socket)?;
            let told = listen(&socket, harness).await?;
            work(told).await;
            Ok(())
        })
    });
    process::leave(i32::from(done.is_err()))
}

/// Listens for as long as the harness lives.
async fn listen<S: DeserializeOwned, C: DeserializeOwned>(
    socket: &AsyncFd<OwnedFd>,
    mut harness: Watch,
) -> io::Result<Told<S, C>> {
    let death = match harness.fd() {
        Some(fd) => Some(process::readable(fd.try_clone_to_owned()?)?),
        None => None,
    };
    let (mut told, mut heard) = (Told::nothing(), Vec::new());
    loop {
        if hear(socket.get_ref().as_fd(), &mut heard, &mut told)? || harness.is_dead() {
            // What it wrote before it died is there to be read.
            hear(socket.get_ref().as_fd(), &mut heard, &mut told)?;
            harness.dies_within(if is_closed(socket.get_ref()) { DYING } else { Duration::ZERO });
            told.dead = harness.dead();
            return Ok(told);
        }
        tokio::select! {
            ready = socket.readable() => ready?.clear_ready(),
            ready = died(death.as_ref()) => ready?,
        }
    }
}

/// Whether nobody has the other end any more; of a harness that only told us to leave, one direction is closed.
fn is_closed(socket: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(socket, PollFlags::HUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::HUP)
}

async fn died(death: Option<&AsyncFd<OwnedFd>>) -> io::Result<()> {
    match death {
        Some(death) => death.readable().await.map(|mut ready| ready.clear_ready()),
        None => std::future::pending().await,
    }
}

/// Reads all there is. Says whether nothing more will come.
fn hear<S: DeserializeOwned, C: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    heard: &mut Vec<u8>,
    told: &mut Told<S, C>,
) -> io::Result<bool> {
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
        told.note(serde_json::from_slice::<Word<S, C>>(&line)?);
    }
    Ok(ended)
}
