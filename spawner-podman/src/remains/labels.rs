//! The labels by which a container is found that is on no record.

use std::collections::BTreeMap;

use spawner_core::journal::Host;
use spawner_core::{Lifetime, ProcessIdentity, TaskId, TaskRecord};

/// The label that every container of ours has: its task's id.
pub(crate) const TASK: &str = "spawner.task";
const HARNESS: &str = "spawner.harness";
const BOOT: &str = "spawner.boot";
const HOST: &str = "spawner.host";
const USER: &str = "spawner.user";
const LIFETIME: &str = "spawner.lifetime";

/// Whether a container with these labels is this task's: its name may be somebody else's.
pub(crate) fn is_of(task: TaskId, labels: &BTreeMap<String, String>) -> bool {
    labels.get(TASK).is_some_and(|label| *label == task.to_string())
}

/// The labels of the container of a task that this process starts.
pub(crate) fn labels(record: &TaskRecord) -> BTreeMap<String, String> {
    let (own, lifetime) = (ProcessIdentity::own(), record.lifetime);
    let lifetime = if lifetime == Lifetime::Detached { "detached" } else { "harness" };
    let labels = [
        (TASK, record.id.to_string()),
        (HARNESS, format!("{}-{}", own.pid, own.start_time)),
        (BOOT, own.boot_id),
        (HOST, place()),
        (USER, user()),
        (LIFETIME, lifetime.to_owned()),
    ];
    labels.into_iter().map(|(label, value)| (label.to_owned(), value)).collect()
}

/// This machine, and where on it pids are counted: an engine may serve several machines and namespaces.
fn place() -> String {
    let host = Host::own();
    format!("{} {}", host.machine, host.namespaces)
}

fn user() -> String {
    rustix::process::geteuid().as_raw().to_string()
}

/// What the labels of a container say about where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) task: TaskId,
    harness: ProcessIdentity,
    detached: bool,
    /// Whether it is this user's, started here.
    own: bool,
}

impl Origin {
    /// `None` where they are not ours.
    pub(crate) fn of(labels: &BTreeMap<String, String>) -> Option<Self> {
        let task = labels.get(TASK)?.parse().ok()?;
        let (pid, start_time) = labels.get(HARNESS)?.split_once('-')?;
        let boot_id = labels.get(BOOT)?.clone();
        let harness =
            ProcessIdentity { boot_id, pid: pid.parse().ok()?, start_time: start_time.parse().ok()? };
        let detached = labels.get(LIFETIME)? != "harness";
        let own = labels.get(HOST) == Some(&place()) && labels.get(USER) == Some(&user());
        Some(Self { task, harness, detached, own })
    }

    /// Whether nobody is there any more who would end it, and nobody wants it.
    pub(crate) fn is_abandoned(&self) -> bool {
        // Where there is no boot id, who lives cannot be told.
        self.own && !self.detached && !self.harness.boot_id.is_empty() && !self.harness.is_alive()
    }
}

#[cfg(test)]
mod tests {
    use spawner_core::TaskSpec;

    use super::*;

    fn record(spec: &TaskSpec) -> TaskRecord {
        TaskRecord::of(TaskId::random(), "box", spec)
    }

    fn changed(label: &str, value: &str) -> bool {
        let mut labels = labels(&record(&TaskSpec::new(["true"])));
        labels.insert(HARNESS.into(), "1-1".into());
        labels.insert(label.into(), value.into());
        Origin::of(&labels).unwrap().is_abandoned()
    }

    #[test]
    fn what_a_living_harness_started_is_not_abandoned() {
        let record = record(&TaskSpec::new(["true"]));
        let origin = Origin::of(&labels(&record)).unwrap();
        assert_eq!(origin.task, record.id);
        assert!(!origin.is_abandoned());
    }

    #[test]
    fn only_this_user_s_own_of_this_host_are_abandoned_by_a_dead_harness() {
        assert!(changed("other", "label"));
        assert!(changed(BOOT, "another"));
        assert!(!changed(BOOT, ""));
        assert!(!changed(HOST, "another"));
        assert!(!changed(USER, "4711"));
        assert!(!changed(LIFETIME, "detached"));
    }

    #[test]
    fn labels_of_somebody_else_are_not_ours() {
        assert_eq!(Origin::of(&BTreeMap::new()), None);
        assert_eq!(Origin::of(&BTreeMap::from([(TASK.to_owned(), "x".to_owned())])), None);
    }
}
