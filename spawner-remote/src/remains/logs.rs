//! Brings what a detached task wrote from its host to where its record says that it is kept.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use spawner_core::shell::typed;
use spawner_core::{Error, ErrorKind, Result};
use tokio::io::AsyncBufReadExt as _;
use tokio::time::{Instant, sleep};

use crate::session::{Session, until_mark};
use crate::task::live::Live;

/// Between two looks for more.
const PAUSE: Duration = Duration::from_millis(200);

/// How long somebody else who collects the same may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Collects what there is; goes on until the main process has ended where `follow`.
pub(crate) async fn collect(live: &Live, follow: bool) -> Result<()> {
    loop {
        let ended = live.exit().is_some();
        for (kept, ending) in [(&live.record.logs.stdout, "out"), (&live.record.logs.stderr, "err")] {
            if let Some(path) = kept {
                fetch(live, path, ending).await?;
            }
        }
        if !follow || ended {
            return Ok(());
        }
        tokio::select! {
            _ = live.ended() => {}
            () = sleep(PAUSE) => {}
        }
    }
}

/// Adds to the file here what the one there has more.
async fn fetch(live: &Live, path: &Path, ending: &str) -> Result<()> {
    let failed = |source| Error::io("keep the output in", path.display().to_string(), source);
    let link = live.host.connection().await?;
    let Some(folder) = &link.facts.folder else { return Ok(()) };
    let mut file = open(path).map_err(failed)?;
    // Two who collect at one time must not both add the same.
    let give_up = Instant::now() + PATIENCE;
    while let Err(error) = file.try_lock() {
        match error {
            TryLockError::WouldBlock if Instant::now() < give_up => sleep(PAUSE / 10).await,
            TryLockError::WouldBlock => {
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    "keep the output in",
                    path.display().to_string(),
                )
                .because("somebody else has been collecting it for long")
                .hint(format!("see who holds it: fuser -v {}", typed(&path.to_string_lossy()))));
            }
            TryLockError::Error(source) => return Err(failed(source)),
        }
    }
    let have = file.metadata().map_err(failed)?.len();
    let (id, from) = (live.id, have + 1);
    let script = format!("printf \"\\036spawner {id}\\n\"; exec tail -c +{from} \"{folder}/{id}.{ending}\"");
    let Session { mut child, stdin, mut stdout, .. } =
        link.session(&format!("exec /bin/sh -c '{script}'")).await?;
    drop(stdin);
    let lost = |source| Error::io("fetch the output from", &*live.traces.address.destination, source);
    until_mark(&mut stdout, &id.to_string(), &mut Vec::new()).await.map_err(lost)?;
    loop {
        let piece = stdout.fill_buf().await.map_err(lost)?;
        if piece.is_empty() {
            break;
        }
        file.write_all(piece).map_err(failed)?;
        let read = piece.len();
        stdout.consume(read);
    }
    child.wait().await.map_err(lost).map(drop)
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
