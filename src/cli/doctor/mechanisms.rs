//! What the process backend found out about this host.

use spawner::process::{Choice, ProcessConfig, probe};

use super::finding::Finding;

/// Each mechanism, each limit, and what `auto` makes of it.
pub(super) fn findings() -> Vec<Finding> {
    let report = probe(&ProcessConfig::default());
    let mut all = Vec::new();
    for found in report.findings.iter().filter(|found| found.works || is_of_this_system(found.mechanism)) {
        let name = found.mechanism.name();
        all.push(match (found.works, found.mechanism) {
            (true, Choice::PidNamespace) => {
                Finding::ok(name, format!("works, {}, where it is asked for", found.detail))
            }
            (true, _) => Finding::ok(name, format!("works: {}", found.detail)),
            (false, _) => Finding::missing(name, "does not work here", found.detail.clone()),
        });
    }
    for (limit, means) in &report.limits {
        let name = format!("limit {limit}");
        all.push(match means {
            Ok(means) => Finding::ok(&name, means.clone()),
            Err(why) => Finding::missing(&name, "cannot be limited here", why.clone()),
        });
    }
    let why = match report.chosen {
        Choice::CgroupV2 | Choice::JobObject => "the strongest of all, and a task does not see it",
        Choice::Subreaper => "the strongest that works here and that a task does not see",
        _ => "nothing stronger works here; it can prove nothing",
    };
    all.push(Finding::ok("auto", format!("would choose {}: {why}", report.chosen.name())));
    all
}

/// Whether this system has the mechanism at all: what only another one has is not missing here.
fn is_of_this_system(mechanism: Choice) -> bool {
    match mechanism {
        Choice::Auto => true,
        Choice::CgroupV2 | Choice::Subreaper | Choice::PidNamespace => cfg!(target_os = "linux"),
        Choice::ProcessGroup => cfg!(unix),
        Choice::JobObject => cfg!(windows),
    }
}
