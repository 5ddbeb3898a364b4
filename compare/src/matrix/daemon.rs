//! Somebody else, whom a task asks to start something.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use spawner_conformance::{MISCHIEF, Witness};

use super::cell::text;

/// Starts a process for whoever asks, through a fifo.
pub(super) struct Daemon {
    fifo: PathBuf,
    thread: std::thread::JoinHandle<Result<Option<Child>, String>>,
}

impl Daemon {
    /// What it starts has the lock and the token of the witness.
    pub(super) fn begin(fifo: &Path, program: &Path, witness: &Witness) -> Result<Self, String> {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, fifo, FileType::Fifo, Mode::empty(), 0).map_err(text)?;
        std::fs::set_permissions(fifo, std::os::unix::fs::PermissionsExt::from_mode(0o666)).map_err(text)?;
        let mut command = Command::new(program);
        command.args([MISCHIEF, "stays"]).arg(witness.lock()).arg(witness.token());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let path = fifo.to_owned();
        let thread =
            std::thread::spawn(move || match std::fs::read_to_string(path).map_err(text)?.as_str() {
                "go\n" => command.spawn().map(Some).map_err(text),
                _ => Ok(None),
            });
        Ok(Self { fifo: fifo.to_owned(), thread })
    }

    pub(super) fn end(self) -> Result<(), String> {
        // Nobody may have asked, and it waits for somebody to open the other end.
        if !self.thread.is_finished() {
            std::fs::OpenOptions::new().write(true).open(&self.fifo).map_err(text)?;
        }
        match self.thread.join() {
            Ok(Ok(Some(mut child))) => child.kill().and_then(|()| child.wait()).map(drop).map_err(text),
            Ok(Ok(None)) => Ok(()),
            Ok(Err(why)) => Err(why),
            Err(_) => Err("the daemon panicked".into()),
        }
    }
}
