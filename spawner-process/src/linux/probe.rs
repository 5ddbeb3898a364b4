//! What this host offers, and which mechanism that makes possible.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use spawner_core::{Capabilities, Error, ErrorKind, ProcessIdentity, Result, Support};

use crate::config::{Choice, ProcessConfig};
use crate::declared::Declared;
use crate::finding::{Finding, HostReport};
use crate::linux::cgroup::{self, Limiters};
use crate::linux::words::SetUp;

/// Finds out what this host offers. Looks only: makes and starts nothing.
pub fn probe(config: &ProcessConfig) -> HostReport {
    let group = group_parent(config);
    let limiters = Limiters::probe(group.as_deref().ok());
    let findings = Choice::MECHANISMS.map(|mechanism| finding(mechanism, &group));
    let chosen = match config.mechanism {
        Choice::Auto => {
            let works = |finding: &&Finding| finding.works && finding.mechanism != Choice::PidNamespace;
            findings.iter().find(works).map_or(Choice::ProcessGroup, |finding| finding.mechanism)
        }
        named => named,
    };
    let limits = limiters.describe();
    HostReport { findings: findings.to_vec(), chosen, cgroup_parent: group.ok(), limits }
}

/// Settles how to work on this host.
pub(crate) fn settle(config: &ProcessConfig) -> Result<SetUp> {
    if let Some(scratch) = &config.scratch {
        return Err(Error::new(ErrorKind::Config, "use the key", "`scratch`")
            .because(format!("no folder is made for tasks below {} on Linux yet", scratch.display())));
    }
    let group = match config.mechanism {
        Choice::Auto | Choice::CgroupV2 => group_parent(config),
        _ => Err(String::new()),
    };
    let mechanism = match (config.mechanism, &group) {
        (Choice::Auto, Ok(_)) => Choice::CgroupV2,
        (Choice::Auto, Err(_)) if subreaper().is_ok() => Choice::Subreaper,
        (Choice::Auto, Err(_)) => {
            process_group().map_err(|why| {
                Error::new(ErrorKind::Unavailable, "keep track of tasks on this host", "").because(why)
            })?;
            Choice::ProcessGroup
        }
        (named, _) => {
            let found = finding(named, &group);
            if !found.works {
                return Err(Error::new(ErrorKind::Unavailable, "use the mechanism", named.name())
                    .because(found.detail));
            }
            named
        }
    };
    Ok(SetUp { mechanism, group: group.ok(), single: false, journal: None, boot_id: ProcessIdentity::boot() })
}

/// Through what limits can be set.
pub(crate) fn limiters(set_up: &SetUp) -> Limiters {
    set_up.group.as_deref().map_or_else(Limiters::default, |parent| Limiters::probe(Some(parent)))
}

/// What can be promised on this host.
pub(crate) fn capabilities(mechanism: Choice, limiters: &Limiters) -> Capabilities {
    let mut capabilities = Declared::of(mechanism).capabilities;
    if mechanism == Choice::CgroupV2 {
        let missing = |name: &'static str| {
            Support::unsupported(format!(
                "the {name} controller is not to be had: neither delegated in version 2, nor writable in version 1"
            ))
        };
        let by = |name: &str, file: &str| Support::guaranteed(format!("{file} of the {name} controller"));
        let mut answer = |cell: fn(&mut Capabilities) -> &mut Support, name, files: [&str; 2], limiter| {
            *cell(&mut capabilities) = match limiter {
                Some(cgroup::Limiter::V2) => by(name, files[0]),
                Some(cgroup::Limiter::V1(_)) => by(name, files[1]),
                None => missing(name),
            };
        };
        answer(
            |all| &mut all.limit_memory,
            "memory",
            ["memory.max", "memory.limit_in_bytes"],
            limiters.memory.clone(),
        );
        answer(|all| &mut all.limit_pids, "pids", ["pids.max", "pids.max"], limiters.pids.clone());
        answer(|all| &mut all.limit_cpu, "cpu", ["cpu.max", "cpu.cfs_quota_us"], limiters.cpu.clone());
    }
    capabilities
}

fn finding(mechanism: Choice, group: &std::result::Result<PathBuf, String>) -> Finding {
    let found = match mechanism {
        Choice::Auto => Ok("the strongest of the others".to_owned()),
        Choice::CgroupV2 => group.clone().map(|parent| format!("below {}", parent.display())),
        Choice::Subreaper => subreaper(),
        Choice::PidNamespace => pid_namespace(),
        Choice::JobObject => Err("needs Windows".to_owned()),
        Choice::ProcessGroup => process_group(),
    };
    let works = found.is_ok();
    Finding { mechanism, works, detail: found.unwrap_or_else(|why| why) }
}

/// Without `/proc` nobody finds the members of a task, so that none of them could be ended.
fn proc_is_there() -> std::result::Result<(), String> {
    if Path::new("/proc/self/stat").exists() {
        return Ok(());
    }
    Err("/proc is not mounted, or shows another pid namespace: mount -t proc proc /proc".to_owned())
}

fn process_group() -> std::result::Result<String, String> {
    proc_is_there().map(|()| "always, and proves nothing".to_owned())
}

fn subreaper() -> std::result::Result<String, String> {
    proc_is_there()?;
    match rustix::process::child_subreaper() {
        Ok(_) => Ok("needs no privilege".to_owned()),
        Err(errno) => Err(format!("the kernel has no PR_SET_CHILD_SUBREAPER: {errno}")),
    }
}

fn pid_namespace() -> std::result::Result<String, String> {
    proc_is_there()?;
    if rustix::process::geteuid().is_root() {
        return Ok("as root".to_owned());
    }
    let knob = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    for (path, forbidding, help) in [
        ("/proc/sys/user/max_user_namespaces", 0, "sysctl user.max_user_namespaces=10000"),
        ("/proc/sys/kernel/unprivileged_userns_clone", 0, "sysctl kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            1,
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ] {
        if knob(path) == Some(forbidding) {
            return Err(format!("ordinary users may not make user namespaces; as root: {help}"));
        }
    }
    Ok("through a user namespace".to_owned())
}

/// The group below which tasks get theirs, tried out.
fn group_parent(config: &ProcessConfig) -> std::result::Result<PathBuf, String> {
    proc_is_there()?;
    let hierarchy = match cgroup::Tables::read().map(|tables| tables.unified()) {
        Ok(Some(hierarchy)) => hierarchy,
        Ok(None) => {
            return Err("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup/unified".to_owned());
        }
        Err(error) => return Err(format!("the control groups of this process cannot be read: {error}")),
    };
    if hierarchy.read_only {
        let mount = hierarchy.mount.display();
        return Err(format!("cgroup v2 is mounted read-only at {mount}: mount -o remount,rw {mount}"));
    }
    let parent = config.cgroup_parent.clone().unwrap_or_else(|| hierarchy.own.clone());
    if !parent.starts_with(&hierarchy.mount) {
        return Err(format!(
            "{} is not on the cgroup v2 file system at {}",
            parent.display(),
            hierarchy.mount.display()
        ));
    }
    let delegate = "run as root, or have it delegated (systemd-run --user --scope -p Delegate=yes …)";
    cgroup::can_make_groups(&parent).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{} does not exist", parent.display()),
        io::ErrorKind::PermissionDenied => format!("{} may not be written to; {delegate}", parent.display()),
        _ => format!("no control group can be made below {}: {error}", parent.display()),
    })?;
    // Being born in another group takes the right to leave this one: write permission where both meet.
    let meet =
        hierarchy.own.ancestors().find(|folder| parent.starts_with(folder)).unwrap_or(&hierarchy.mount);
    match access(meet.join("cgroup.procs"), Access::WRITE_OK) {
        Ok(()) => Ok(parent),
        Err(_) => Err(format!("processes may not be moved within {}; {delegate}", meet.display())),
    }
}
