//! Control groups: where they are, whether we may make one, and what can be limited.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::finding::Finding;
use super::mounts::Mount;

const NAME: &str = "cgroup v2";
const DELEGATE: &str =
    "run as root, or in a delegated group: `systemd-run --user --scope -p Delegate=yes spawner …`";

/// What limits need, and the controllers that give it.
const LIMITS: [(&str, &str); 3] = [("memory", "--memory"), ("pids", "--pids"), ("cpu", "--cpus")];

pub(super) fn findings(mounts: &[Mount]) -> Vec<Finding> {
    let first: Vec<_> = controllers_v1(mounts);
    let Some(mount) = mounts.iter().find(|mount| mount.kind == "cgroup2") else {
        let remedy = "mount it: `mount -t cgroup2 none /sys/fs/cgroup`; till then, `auto` uses the subreaper";
        return vec![Finding::missing(NAME, "it is not mounted", remedy)];
    };
    let own = own_path().unwrap_or_else(|| "/".into());
    let group = match own.trim_start_matches('/') {
        "" => PathBuf::from(&mount.point),
        own => Path::new(&mount.point).join(own),
    };
    vec![usable(mount, &group), limits(&group, &first)]
}

/// Our own group on v2: the `0::` line.
fn own_path() -> Option<String> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// Which controllers version 1 has; version 2 does not have those then.
fn controllers_v1(mounts: &[Mount]) -> Vec<String> {
    let known = ["memory", "pids", "cpu", "cpuset", "blkio", "hugetlb"];
    let first = || mounts.iter().filter(|mount| mount.kind == "cgroup");
    known.into_iter().filter(|name| first().any(|mount| mount.has(name))).map(str::to_owned).collect()
}

fn usable(mount: &Mount, group: &Path) -> Finding {
    let shown = group.display();
    if !group.is_dir() {
        let detail = format!("mounted at {}, where our own group {shown} cannot be seen", mount.point);
        return Finding::missing(
            NAME,
            detail,
            "mount this namespace's groups: `mount -t cgroup2 none /sys/fs/cgroup`",
        );
    }
    if mount.has("ro") {
        let remedy = "remount it: `mount -o remount,rw`; in a container, start that with a writable cgroup";
        return Finding::missing(NAME, format!("{} is mounted read-only", mount.point), remedy);
    }
    let writable = |path: PathBuf| access(&path, Access::WRITE_OK).is_ok();
    if !writable(group.to_owned()) || !writable(group.join("cgroup.procs")) {
        return Finding::missing(NAME, format!("we may not make groups in {shown}"), DELEGATE);
    }
    let kill = group.join("cgroup.kill").exists() || is_root_group(group);
    if !kill {
        return Finding::limited(
            NAME,
            format!("{shown} is writable, without cgroup.kill"),
            "needs Linux 5.14",
        );
    }
    Finding::ok(NAME, format!("{shown} is writable: a group for each task"))
}

/// The root group has no events of its own, nor a kill.
fn is_root_group(group: &Path) -> bool {
    !group.join("cgroup.events").exists()
}

fn limits(group: &Path, first: &[String]) -> Finding {
    let name = "limits";
    let text = std::fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    let has = |controller: &str| text.split_whitespace().any(|own| own == controller);
    let (there, lacking): (Vec<_>, Vec<_>) = LIMITS.into_iter().partition(|(controller, _)| has(controller));
    let options =
        |list: &[(&str, &str)]| list.iter().map(|(_, option)| *option).collect::<Vec<_>>().join(", ");
    if lacking.is_empty() {
        return Finding::ok(name, format!("{}: their controllers are on version 2", options(&there)));
    }
    let on_first = lacking.iter().any(|(controller, _)| first.iter().any(|own| own == controller));
    let remedy = if on_first {
        "their controllers are on version 1: boot with `systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all`"
    } else {
        "their controllers are not delegated: add them to cgroup.subtree_control of the group above"
    };
    let detail = format!("not available: {}", options(&lacking));
    if there.is_empty() {
        Finding::missing(name, detail, remedy)
    } else {
        Finding::limited(name, format!("{}; {detail}", options(&there)), remedy)
    }
}
