//! What the names of control groups tell to whoever finds them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use spawner_core::ProcessIdentity;

/// The name of a harness's group: `spawner-<pid>-<supervisor>-<start>-<namespaces>`. It is new for each supervisor.
pub(crate) fn of_harness(harness: &ProcessIdentity, supervisor: u32) -> String {
    format!("spawner-{}-{supervisor}-{}-{}", harness.pid, harness.start_time, namespaces())
}

/// The harness whose group's name this is, by pid and start time; `None` where these are of other namespaces than
/// `namespaces`, in which they would be another process's or nobody's, and where the name does not say so.
pub(super) fn harness(name: &str, namespaces: &str) -> Option<(u32, u64)> {
    let fields: Vec<&str> = name.split('-').collect();
    let ["spawner", pid, _, start_time, theirs] = fields[..] else { return None };
    (theirs == namespaces).then_some((pid.parse().ok()?, start_time.parse().ok()?))
}

/// The namespaces in which this process counts pids and start times (pid_namespaces(7), time_namespaces(7)). Containers may
/// share a control group, and neither of these. A kernel without one has one for all.
pub(super) fn namespaces() -> String {
    let number = |kind: &str| fs::metadata(format!("/proc/self/ns/{kind}")).map_or(0, |link| link.ino());
    format!("{}.{}", number("pid"), number("time"))
}

/// Which keeper a group's name tells.
pub(super) struct Owner {
    pub(super) pid: u32,
    pub(super) start_time: u64,
}

impl Owner {
    pub(super) fn is(&self, keeper: &ProcessIdentity) -> bool {
        (self.pid, self.start_time) == (keeper.pid, keeper.start_time)
    }
}

/// Reads `task-<index>-<pid>-<start>-<n>` and `spawner-<supervisor>-<index>-<pid>-<start>-<n>`.
pub(super) fn owner(name: &str) -> Option<Owner> {
    let fields: Vec<&str> = name.split('-').collect();
    let (["task", _, pid, start_time, _] | ["spawner", _, _, pid, start_time, _]) = fields[..] else {
        return None;
    };
    Some(Owner { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_s_name_tells_the_keeper() {
        let owned = |name| owner(name).map(|owner| (owner.pid, owner.start_time));
        assert_eq!(owned("task-0-4242-98765-3"), Some((4242, 98765)));
        assert_eq!(owned("spawner-4241-0-4242-98765-3"), Some((4242, 98765)));
        for other in ["spawner-4240-4241-98765-1.2", "task-0-4242", "user.slice", "task-a-b-c-d", ""] {
            assert_eq!(owned(other), None, "{other}");
        }
    }

    #[test]
    fn a_harness_is_told_in_its_own_namespaces_only() {
        let own = ProcessIdentity::own();
        let (name, here) = (of_harness(&own, 7), namespaces());
        assert_eq!(harness(&name, &here), Some((own.pid, own.start_time)));
        assert_eq!(harness(&name, "1.2"), None);
        assert!(!here.starts_with("0."), "{here}");
        for other in ["spawner-4240-4241-98765", "spawner-4241-0-4242-98765-3", "user.slice"] {
            assert_eq!(harness(other, &here), None, "{other}");
        }
    }
}
