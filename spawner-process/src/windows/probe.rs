//! What this host offers, and which mechanism that makes possible.

use spawner_core::{Capabilities, Error, ErrorKind, Limits, Result, Support};

use crate::config::{Choice, ProcessConfig};
use crate::declared::Declared;
use crate::finding::{Finding, HostReport};

use super::job::Job;
use super::wine;

/// Finds out what this host offers. Looks only: makes and starts nothing.
pub fn probe(config: &ProcessConfig) -> HostReport {
    let findings = Choice::MECHANISMS.map(finding).to_vec();
    let chosen = match config.mechanism {
        Choice::Auto => Choice::JobObject,
        named => named,
    };
    let limits = LIMITS.map(|(name, by, limits)| (name, try_out(&limits).map(|()| by.to_owned()))).to_vec();
    HostReport { findings, chosen, cgroup_parent: None, limits }
}

/// Each limit: its name, what it is set by, and an example of it that changes nothing.
const LIMITS: [(&str, &str, Limits); 3] = [
    ("memory", "JobMemoryLimit of the task's job", Limits { memory: Some(1 << 40), pids: None, cpus: None }),
    ("pids", "ActiveProcessLimit of the task's job", Limits { memory: None, pids: Some(1000), cpus: None }),
    ("cpu", "a hard cap of the job's CPU rate", Limits { memory: None, pids: None, cpus: Some(0.5) }),
];

/// Whether such a limit is kept, by a job with nothing in it.
fn try_out(limits: &Limits) -> std::result::Result<(), String> {
    Job::new(None).and_then(|job| job.limit(limits)).map_err(|error| error.to_string())
}

/// What can be promised on this host.
pub(crate) fn capabilities() -> Capabilities {
    let mut capabilities = Declared::of(Choice::JobObject).capabilities;
    let [memory, pids, cpu] = LIMITS.map(|(_, _, limits)| try_out(&limits));
    for (cell, tried) in [
        (&mut capabilities.limit_memory, memory),
        (&mut capabilities.limit_pids, pids),
        (&mut capabilities.limit_cpu, cpu),
    ] {
        if let Err(why) = tried {
            *cell = Support::unsupported(why);
        }
    }
    if wine::is_here() {
        capabilities.usage = Support::unsupported("wine's jobs count processes, not what they use");
        capabilities.end_fork_storm = Support::best_effort(
            "TerminateJobObject, until nobody is counted",
            "wine may count a process that was never completed, which nobody can end: it is reported as survived",
        );
    }
    capabilities
}

/// Settles how to work on this host.
pub(crate) fn settle(config: &ProcessConfig) -> Result<Choice> {
    match config.mechanism {
        Choice::Auto | Choice::JobObject => Ok(Choice::JobObject),
        other => Err(Error::new(ErrorKind::Unavailable, "use the mechanism", other.name())
            .because(finding(other).detail)),
    }
}

fn finding(mechanism: Choice) -> Finding {
    let (works, detail) = match mechanism {
        Choice::Auto | Choice::JobObject => (true, "needs no privilege"),
        Choice::CgroupV2 | Choice::Subreaper | Choice::PidNamespace => (false, "needs Linux"),
        Choice::ProcessGroup => (false, "needs a Unix, and `job-object` is stronger"),
    };
    Finding { mechanism, works, detail: detail.to_owned() }
}
