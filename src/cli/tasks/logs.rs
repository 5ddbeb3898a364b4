//! `spawner logs`.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use spawner::journal::Account;
use spawner::{Backends, Error};

use super::asked;
use super::records::{self, called};
use super::target;
use crate::cli::args::LogsOptions;
use crate::cli::failure::Failure;
use crate::cli::{status, system};

/// How often it is looked whether there is more. A folder on NFS tells nobody that there is.
const PAUSE: Duration = Duration::from_millis(50);
/// What goes on after the main process ended (a `tee`) is followed while it does not pause for this long.
const QUIET: Duration = Duration::from_millis(300);

type Keeping = std::thread::JoinHandle<spawner::Result<()>>;

pub(crate) fn logs(options: &LogsOptions) -> Result<i32, Failure> {
    let backends = Backends::locate(options.configuration.config.as_deref())?;
    let account = target::find(&backends, &options.task)?;
    let logs = account.record().logs;
    if logs.stdout.is_none() && logs.stderr.is_none() {
        return Err(Failure::new(format!(
            "cannot show the output of task {}: it went to its harness; it is kept of a task that `spawner \
             start` started",
            called(&account),
        )));
    }
    let mut keeping =
        asked::is_asked(&account).then(|| asked::keep_output(&backends, &account, options.follow));
    let kept = if options.follow { Ok(()) } else { finish(&mut keeping) };
    let (mut stdout, mut stderr) = (Kept::new(logs.stdout), Kept::new(logs.stderr));
    let mut copy = || -> Result<bool, Failure> {
        let more = stdout.copy(&mut io::stdout().lock(), Failure::stdout)?;
        Ok(stderr.copy(&mut io::stderr().lock(), |_| Failure::silent(status::BROKEN_PIPE))? || more)
    };
    if !options.follow {
        copy()?;
        return kept.map(|()| 0);
    }
    let mut last = Instant::now();
    loop {
        // Asked first: what was written before the end is there to be copied after it.
        let end = match &keeping {
            Some(keeping) if keeping.is_finished() => End::All,
            Some(_) => End::NotYet,
            None => End::of(&account)?,
        };
        if copy()? {
            last = Instant::now();
            continue;
        }
        match end {
            End::All => return finish(&mut keeping).map(|()| 0),
            End::MainProcess if last.elapsed() > QUIET => return Ok(0),
            End::MainProcess | End::NotYet => {}
        }
        if system::unread_after(PAUSE) {
            return Ok(status::BROKEN_PIPE);
        }
    }
}

/// Waits for whoever brings the output of a task that its backend keeps.
fn finish(keeping: &mut Option<Keeping>) -> Result<(), Failure> {
    match keeping.take().map(Keeping::join) {
        Some(Ok(kept)) => Ok(kept?),
        Some(Err(_)) => Err(Failure::new("cannot keep the output: its thread has panicked")),
        None => Ok(()),
    }
}

/// How far the end of a task has come.
enum End {
    NotYet,
    MainProcess,
    /// Nobody is left to write anything.
    All,
}

impl End {
    fn of(account: &Account) -> Result<Self, Failure> {
        let Some(now) = records::journal_of(account).find(account.opening.record.id)? else {
            return Ok(Self::All);
        };
        if now.gone().is_some() {
            return Ok(Self::All);
        }
        let alive = now.record().leader.is_none_or(|leader| leader.is_alive());
        // Of another host nothing is known but what was written down.
        let elsewhere = now.opening.host != spawner::journal::Host::own();
        let ended = now.exit().is_some() || (!alive && !elsewhere);
        Ok(if ended { Self::MainProcess } else { Self::NotYet })
    }
}

/// One kept stream, as far as it was copied.
struct Kept {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Kept {
    fn new(path: Option<PathBuf>) -> Self {
        Self { path, file: None }
    }

    /// Copies what is new. Says whether there was anything.
    fn copy(
        &mut self,
        to: &mut impl Write,
        unwritten: impl Fn(io::Error) -> Failure,
    ) -> Result<bool, Failure> {
        let Some(path) = &self.path else { return Ok(false) };
        let failed = |error| Error::io("read the kept output", path.display().to_string(), error);
        let file = match &mut self.file {
            Some(file) => file,
            none => match open(path).map_err(failed)? {
                Some(file) => none.insert(file),
                None => return Ok(false),
            },
        };
        let (mut buffer, mut any) = (vec![0; 64 << 10], false);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    any = true;
                    to.write_all(&buffer[..count]).map_err(&unwritten)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error).into()),
            }
        }
        to.flush().map_err(&unwritten)?;
        Ok(any)
    }
}

/// Opens it where it is there already.
fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
