//! The outer jail: a hard bound on the number of processes, whatever a case or a workload gets wrong.

use std::collections::HashSet;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::super::names;
use super::{Living, is_the_system_s};
use crate::win::job::Job;
use crate::win::process::Process;
use crate::win::snapshot;
use crate::{harness, mischief};

/// As many as the widest workload, the deepest and a storm need together.
const BOUND: u32 = 2000;

/// How old a process has to be without a command line for it never to get one.
const HALF_BORN: Duration = Duration::from_secs(2);

/// How long what is on its way out may take.
const ON_THE_WAY: Duration = Duration::from_secs(2);

/// A process does not get out of a job, so this one is in it for good.
static JOB: OnceLock<Job> = OnceLock::new();

/// A job with a bound, in which the suite's own process is. When that ends, the kernel ends what is left in it.
#[derive(Debug)]
pub(crate) struct Jail;

/// The pids of everything in the jail but this process; of everything there is, where no jail was entered.
pub(super) fn pids() -> Vec<u32> {
    let inside = JOB.get().and_then(|job| job.pids().ok());
    let all = inside
        .unwrap_or_else(|| snapshot::take().unwrap_or_default().iter().map(|entry| entry.pid).collect());
    all.into_iter().filter(|&pid| pid != std::process::id()).collect()
}

/// Ends what is in the jail and will never have a command line: whoever started it was ended in the midst of that, and
/// it stands still for ever.
pub(crate) fn end_half_born() -> io::Result<()> {
    for process in nameless()? {
        if process.age()? > HALF_BORN && process.is_alive() {
            process.kill()?;
        }
    }
    Ok(())
}

/// How many of those the jail counts, which wine does for ever, though it says of each that it has ended. To be asked
/// when everything else has had its time.
pub(crate) fn half_born() -> io::Result<usize> {
    Ok(nameless()?.len())
}

/// What is in the jail and has no command line: it is being made, or never will be.
fn nameless() -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    if JOB.get().is_none() {
        return Ok(found);
    }
    let systems: HashSet<u32> =
        snapshot::take()?.iter().filter(|one| is_the_system_s(&one.name)).map(|one| one.pid).collect();
    for pid in pids() {
        let Some(process) = Process::open(pid)? else { continue };
        if process.command_line().is_err() && !systems.contains(&pid) {
            found.push(process);
        }
    }
    Ok(found)
}

impl Jail {
    /// Enters a jail; says why where that cannot be.
    pub(crate) fn enter() -> Result<Self, String> {
        if JOB.get().is_some() {
            return Ok(Self);
        }
        let make = || {
            let job = Job::new()?;
            job.bound(BOUND)?;
            job.enter()?;
            std::io::Result::Ok(job)
        };
        let job = make().map_err(|error| format!("no job can be made and entered: {error}"))?;
        JOB.set(job).map_err(|_| "two enter it at once".to_owned())?;
        Ok(Self)
    }

    /// Waits until workloads and harnesses are out of it; ends what is left, and says what that was.
    #[expect(clippy::unused_self, reason = "elsewhere a jail is something that one has")]
    pub(crate) fn settle(&self) -> Result<(), String> {
        let give_up = Instant::now() + ON_THE_WAY;
        loop {
            let left = inmates();
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > give_up {
                let who: Vec<_> = left
                    .iter()
                    .map(|(process, line)| Living { pid: process.pid(), state: 'R', what: line.clone() })
                    .collect();
                let ended = left.iter().try_for_each(|(process, _)| process.kill());
                return Err(format!(
                    "these were still in the jail, and are ended ({ended:?}): {}",
                    names(&who)
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Says what is left in the jail.
    pub(crate) fn leave(self) -> Result<(), String> {
        self.settle()
    }
}

/// What the suite has started, with the command lines.
fn inmates() -> Vec<(Process, String)> {
    let open = |pid| {
        let process = Process::open(pid).ok()??;
        let line = process.command_line().ok()?;
        let own = [mischief::ARGUMENT, harness::ARGUMENT].iter().any(|word| line.contains(word));
        (own && process.is_alive()).then_some((process, line))
    };
    pids().into_iter().filter_map(open).collect()
}
