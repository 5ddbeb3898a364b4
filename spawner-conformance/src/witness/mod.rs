//! The judge, which never uses the spawner's own eyes.
//!
//! It has two of its own. Everything that a task makes inherits a lock on a file, which the kernel drops
//! when the last of them has ended (`flock`, before the last one can be reaped). And every process of a
//! task has the scenario's token on its command line. Both must say the same.

mod engine;
mod herd;
mod jail;
mod look;
mod memory;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::mischief;

pub(crate) use engine::{Engine, LABEL};
pub(crate) use herd::{Herd, groups_of};
pub(crate) use jail::Jail;
pub use look::Living;
pub(crate) use memory::MemoryJail;

/// How often a witness that waits looks again.
const PAUSE: Duration = Duration::from_millis(2);

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
        look::living(&self.token)
    }

    /// A living process that another living one is the parent of.
    pub(crate) fn inner(&self) -> Option<u32> {
        let living: Vec<u32> = self.living().into_iter().map(|living| living.pid).collect();
        living.iter().copied().find(|&pid| herd::parent(pid).is_some_and(|parent| living.contains(&parent)))
    }

    /// The pid that a process has in its own pid namespace, where that is another one than this one.
    pub(crate) fn pid_inside(pid: u32) -> Option<u32> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        line.split_whitespace().skip(1).last()?.parse().ok()
    }

    /// Whether the process `pid` is alive now.
    pub fn is_alive(pid: u32) -> bool {
        look::is_alive(pid)
    }

    /// Whether anything holds the lock now.
    pub fn is_locked(&self) -> io::Result<bool> {
        let file = match OpenOptions::new().read(true).open(&self.lock) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        Self::held(&file)
    }

    fn held(file: &File) -> io::Result<bool> {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
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
                look::names(&living)
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
                    look::names(&self.living())
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
                if let Err(error) = self.kill(&living)
                    && Instant::now() > give_up
                {
                    return Err(format!("{why}; cannot end {}: {error}", living.pid));
                }
                ended.insert(living.pid);
            }
            if Instant::now() > give_up {
                return Err(why);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn kill(&self, living: &Living) -> io::Result<()> {
        let Some(pid) = i32::try_from(living.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            handle => handle?,
        };
        // The pid may have been reused before the handle was opened; not after.
        if !look::carries(living.pid, &self.token) {
            return Ok(());
        }
        match pidfd_send_signal(handle, Signal::KILL) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }
}
