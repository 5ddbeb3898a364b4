//! What a detached task wrote is kept by its engine. Whoever wants to read it has it copied to where the record says
//! that it is kept, from where the last one who did so has stopped.

mod file;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use spawner_core::{Error, Result};
use tokio::time::{Instant, sleep, timeout};

use self::file::LogFile;
use crate::engine::{Brand, Engine, Seen, Stream};
use crate::task::live::Live;

/// How long the engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether there is more.
const PAUSE: Duration = Duration::from_millis(100);

/// How long somebody else may take to copy what there is.
const TURN: Duration = Duration::from_secs(1);

/// How long an engine may be silent within what it has kept.
const SILENCE: Duration = Duration::from_secs(2);

/// Copies what the task has written by now; goes on until it has ended where `follow`.
///
/// Several may do so at the same time: one of them copies, and the others wait for that.
pub(crate) async fn collect(live: &Live, follow: bool) -> Result<()> {
    let logs = &live.record.logs;
    let Some(first) = logs.stdout.as_ref().or(logs.stderr.as_ref()) else { return Ok(()) };
    let failed = |source| Error::io("keep the output of task", live.id.to_string(), source);
    let began = Instant::now();
    let own = loop {
        match open(first).and_then(lock).map_err(failed)? {
            Some(file) => break file,
            // Whoever has it for so long follows, and has copied by now what there was.
            None if !follow && began.elapsed() > TURN => return Ok(()),
            None => sleep(PAUSE).await,
        }
    };
    let stderr = logs.stderr.as_ref().filter(|path| *path != first).map(|path| open(path)).transpose();
    let stderr = stderr.map_err(failed)?;
    let mut kept = match (&logs.stdout, stderr) {
        (Some(_), stderr) => Kept { stdout: Some(own), stderr, skip: [0, 0] },
        (None, _) => Kept { stdout: None, stderr: Some(own), skip: [0, 0] },
    };
    loop {
        let by = Instant::now() + PATIENCE;
        let engine = live.engine(by).await?;
        let seen = live.inspect(&engine, by).await?;
        let over = seen.as_ref().is_none_or(|seen| seen.status.is_over());
        let Some(seen) = seen else { return Ok(()) };
        kept.rewind().map_err(failed)?;
        copy(&engine, &seen, &mut kept, follow && !over).await?;
        if over || !follow {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// `None` where somebody else has it.
fn lock(file: File) -> io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The files that the output is kept in.
struct Kept {
    stdout: Option<File>,
    stderr: Option<File>,
    /// How much of what the engine has kept is there already.
    skip: [u64; 2],
}

impl Kept {
    /// The engine's log is about to be read from its beginning.
    fn rewind(&mut self) -> io::Result<()> {
        for (skip, file) in self.skip.iter_mut().zip([&self.stdout, &self.stderr]) {
            if let Some(file) = file {
                *skip = file.metadata()?.len();
            }
        }
        Ok(())
    }

    fn put(&mut self, stream: Stream, piece: &[u8]) -> io::Result<()> {
        let (file, skip) = match stream {
            Stream::Stdout => (&mut self.stdout, &mut self.skip[0]),
            Stream::Stderr => (&mut self.stderr, &mut self.skip[1]),
        };
        let Some(file) = file else { return Ok(()) };
        let known = usize::try_from(*skip).unwrap_or(usize::MAX).min(piece.len());
        *skip -= known as u64;
        file.write_all(&piece[known..])
    }
}

/// Copies what is new. From the file of the engine's log where this process can read that, since the engine adds and
/// drops ends of lines; else through the engine.
async fn copy(engine: &Engine, seen: &Seen, kept: &mut Kept, follow: bool) -> Result<()> {
    let path = seen.log_path.as_deref().filter(|_| engine.brand() == Brand::Podman && engine.is_here());
    if let Some(mut log) = path.and_then(|path| LogFile::open(Path::new(path)).ok()) {
        loop {
            let failed = |source| Error::io("read the engine's log of container", seen.id.clone(), source);
            // Asked first: what was written before the end is there to be copied after it.
            let by = Instant::now() + PATIENCE;
            let runs =
                follow && engine.inspect(&seen.id, by).await?.is_some_and(|seen| !seen.status.is_over());
            while let Some((stream, piece)) = log.piece().map_err(failed)? {
                kept.put(stream, &piece).map_err(failed)?;
            }
            if !runs {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }
    for stream in [Stream::Stdout, Stream::Stderr] {
        let mut pieces = engine.logs(&seen.id, false, stream);
        // An engine that falls silent in the middle is asked again by whoever follows.
        while let Ok(Some(piece)) = timeout(SILENCE, pieces.next()).await {
            let (stream, piece) = piece?;
            let failed = |source| Error::io("keep the output of container", seen.id.clone(), source);
            kept.put(stream, &piece).map_err(failed)?;
        }
    }
    Ok(())
}
