//! What this host offers, and which mechanism that makes possible.

use spawner_core::{Error, ErrorKind, Result, processes};

use crate::config::{Choice, ProcessConfig};
use crate::finding::{Finding, HostReport};

/// Why no other mechanism works.
const LINUX_ONLY: &str = "this system has no such thing: use `process-group`, which is all there is here";

/// Finds out what this host offers. Looks only: makes and starts nothing.
pub fn probe(config: &ProcessConfig) -> HostReport {
    let findings = Choice::MECHANISMS.map(finding).to_vec();
    let chosen = match config.mechanism {
        Choice::Auto => Choice::ProcessGroup,
        named => named,
    };
    let limits = ["memory", "pids", "cpu"]
        .map(|name| (name, Err(crate::declared::without_keeper::NO_LIMITS.to_owned())));
    HostReport { findings, chosen, cgroup_parent: None, limits: limits.to_vec() }
}

/// Settles how to work on this host.
pub(super) fn settle(config: &ProcessConfig) -> Result<()> {
    let named = match config.mechanism {
        Choice::Auto => Choice::ProcessGroup,
        named => named,
    };
    let found = finding(named);
    if found.works {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unavailable, "use the mechanism", named.name()).because(found.detail))
}

fn finding(mechanism: Choice) -> Finding {
    let found = match mechanism {
        Choice::ProcessGroup => processes::all()
            .map(|_| "always, and proves nothing".to_owned())
            .map_err(|error| format!("the process table cannot be read: {error}")),
        _ => Err(LINUX_ONLY.to_owned()),
    };
    let works = found.is_ok();
    Finding { mechanism, works, detail: found.unwrap_or_else(|why| why) }
}
