//! The judge, which never uses the spawner's own eyes.
//!
//! It has two of its own. Everything that a task makes inherits a hold on a file, which the kernel drops
//! when the last of them has ended. And every process of a task can be told by something that it has or
//! does itself. Both must say the same. How, is each platform's own.

mod engine;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

use crate::mischief;

pub(crate) use engine::{Engine, LABEL};
pub(crate) use platform::{Herd, Jail, groups_of, half_born, is_the_system_s};
#[cfg(unix)]
pub(crate) use platform::{MemoryJail, signal_of};
#[cfg(windows)]
pub(crate) use platform::{WRITTEN_DOWN, strike};

/// How often a witness that waits looks again.
const PAUSE: Duration = Duration::from_millis(2);

/// A process that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// Its pid.
    pub pid: u32,
    /// The letter of its state, of the first of its threads that is alive.
    pub state: char,
    /// The workload that it belongs to, or its program.
    pub what: String,
}

/// What is done to helpers and harnesses, from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// It ends at once, whatever it does against that.
    Kill,
    /// It stands still.
    Stop,
    /// It goes on.
    Continue,
}

/// The outside witness of one scenario.
#[derive(Debug, Clone)]
pub struct Witness {
    lock: PathBuf,
    token: String,
}

impl Witness {
    /// A witness over everything that holds the lock of the file `lock` or has `token` on its command line.
    pub fn new(lock: PathBuf, token: String) -> Self {
        Self { lock, token }
    }

    /// The file whose lock everything of the task inherits.
    pub fn lock(&self) -> &Path {
        &self.lock
    }

    /// What everything of the task has on its command line.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// How many processes have said that they are where they should be.
    pub fn ready(&self) -> u64 {
        std::fs::metadata(&self.lock).map_or(0, |file| file.len())
    }

    /// What is alive now, by its command line. A zombie is not; a dead first thread with a living
    /// second one is.
    pub fn living(&self) -> Vec<Living> {
        platform::living(self)
    }

    /// A living process that another living one is the parent of.
    pub(crate) fn inner(&self) -> Option<u32> {
        let living: Vec<u32> = self.living().into_iter().map(|living| living.pid).collect();
        living
            .iter()
            .copied()
            .find(|&pid| platform::parent(pid).is_some_and(|parent| living.contains(&parent)))
    }

    /// The pid that a process has in its own pid namespace, where that is another one than this one.
    pub(crate) fn pid_inside(pid: u32) -> Option<u32> {
        platform::pid_inside(pid)
    }

    /// Whether the process `pid` is alive now.
    pub fn is_alive(pid: u32) -> bool {
        platform::is_alive(pid)
    }

    /// Whether anything holds the lock now.
    pub fn is_locked(&self) -> io::Result<bool> {
        platform::is_locked(&self.lock)
    }

    /// Says that nothing is alive, at this instant; else what is.
    pub fn gone(&self) -> Result<(), String> {
        // The lock first: it misses nothing, and what the scan takes time for may end meanwhile.
        let locked =
            self.is_locked().map_err(|error| format!("the witness cannot ask for its lock: {error}"))?;
        let living = self.living();
        match (locked, living.is_empty()) {
            (false, true) => Ok(()),
            (true, true) => Err("something alive holds the lock, and has hidden its command line".into()),
            (_, false) => Err(format!(
                "{} alive{}: {}",
                living.len(),
                if locked { "" } else { " without holding the lock" },
                names(&living)
            )),
        }
    }

    /// Waits until nothing is alive.
    pub async fn gone_within(&self, limit: Duration) -> Result<(), String> {
        let give_up = Instant::now() + limit;
        loop {
            match self.gone() {
                Ok(()) => return Ok(()),
                Err(why) if Instant::now() > give_up => return Err(why),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Waits until `count` processes have said that they are where they should be.
    pub async fn await_ready(&self, count: u64, limit: Duration) -> Result<(), String> {
        let give_up = Instant::now() + limit;
        while self.ready() < count {
            if Instant::now() > give_up {
                return Err(format!(
                    "the workload did not come up: {} of {count} were ready after {limit:?}; alive: {}",
                    self.ready(),
                    names(&self.living())
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Ends what is still alive, so that a failed case leaves nothing running. Gives how many there were.
    pub async fn end_survivors(&self) -> Result<usize, String> {
        let give_up = Instant::now() + Duration::from_secs(20);
        let mut ended = std::collections::BTreeSet::new();
        let mut stop = self.lock.clone().into_os_string();
        stop.push(mischief::STOP);
        loop {
            let why = match self.gone() {
                Ok(()) => return Ok(ended.len()),
                Err(why) => why,
            };
            // A storm outruns this walk too; it ends when it sees this file.
            std::fs::write(&stop, "").map_err(|error| format!("{why}; cannot stop its storm: {error}"))?;
            for living in self.living() {
                if let Err(error) = platform::kill(self, &living)
                    && Instant::now() > give_up
                {
                    return Err(format!("{why}; cannot end {}: {error}", living.pid));
                }
                ended.insert(living.pid);
            }
            platform::end_hidden().map_err(|error| format!("{why}; cannot end what is hidden: {error}"))?;
            if Instant::now() > give_up {
                return Err(why);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// For messages: the first few, by name.
fn names(living: &[Living]) -> String {
    let mut text = String::new();
    for (index, Living { pid, state, what }) in living.iter().take(8).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(text, "{comma}{what} (pid {pid}, state {state})").unwrap_or_default();
    }
    if living.len() > 8 {
        write!(text, " and {} more", living.len() - 8).unwrap_or_default();
    }
    if living.is_empty() { "none".into() } else { text }
}
