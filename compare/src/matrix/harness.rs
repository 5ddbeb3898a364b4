//! The program that runs the task of a cell.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::cell::{PAUSE, SAYING, text};
use crate::peers::library::Claim;

/// One, and how it is told.
pub(super) struct Harness {
    pub(super) child: Child,
    pub(super) input: ChildStdin,
    pub(super) output: Option<BufReader<ChildStdout>>,
}

impl Harness {
    /// It is not reaped before, so its pid is its own.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), String> {
        if self.child.try_wait().map_err(text)?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_raw(self.child.id().cast_signed()).ok_or("no pid")?;
        kill_process(pid, signal).map_err(text)
    }

    pub(super) fn ended_within(&mut self, patience: Duration) -> Result<Option<ExitStatus>, String> {
        let give_up = Instant::now() + patience;
        loop {
            let ended = self.child.try_wait().map_err(text)?;
            if ended.is_some() || Instant::now() > give_up {
                return Ok(ended);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Tells a harness to end its task, and gives what it answers.
    pub(super) fn told(&mut self) -> Result<Claim, String> {
        writeln!(self.input, "end").map_err(text)?;
        let mut output = self.output.take().ok_or("it was told before")?;
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let (mut started, mut claim) = (String::new(), String::new());
            let read = output.read_line(&mut started).and_then(|_| output.read_line(&mut claim));
            // Nobody listens any more where it took too long.
            tell.send(read.map(|_| claim)).is_ok()
        });
        let claim =
            told.recv_timeout(SAYING).map_err(|_| "it says nothing in time".to_owned())?.map_err(text)?;
        serde_json::from_str(&claim).map_err(|error| format!("`{claim}`: {error}"))
    }
}
