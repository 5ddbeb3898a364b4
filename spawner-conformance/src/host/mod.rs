//! What this host offers to the cases.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::path::PathBuf;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

pub(crate) use platform::is_root;
use platform::{set_uid_copy, writable};
#[cfg(unix)]
pub(crate) use unix::{groups, pids_group};

/// What a case needs of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// What only Unix has: elsewhere it does not apply, for this reason.
    Unix(&'static str),
    /// To run as root.
    Root,
    /// Not to be root, and a set-uid copy of this program.
    SetUidCopy,
    /// A control group version 2 below which this user can make others.
    CgroupV2,
    /// The version 1 freezer, and root.
    FreezerV1,
    /// A control group in which memory can be limited.
    MemoryGroup,
    /// Pid namespaces, through a user namespace where not root.
    PidNamespaces,
    /// That `/proc` shows this user's processes which are not dumpable, for the witness to see them.
    OpenProc,
}

/// The environment variable with the path of a set-uid root copy of this program, for an ordinary user.
pub const SET_UID_COPY: &str = "SPAWNER_CONFORMANCE_SETUID";

impl Need {
    /// Says that it is met; else why not.
    pub fn met(self) -> Result<(), String> {
        match self {
            Self::Unix(why) => platform::is_unix(why),
            Self::Root if is_root() => Ok(()),
            Self::Root => Err("needs root".into()),
            Self::SetUidCopy => set_uid_copy(),
            Self::CgroupV2 => {
                let own = cgroup2().ok_or("no cgroup v2 is mounted")?.own;
                writable(&own)
            }
            Self::FreezerV1 if !is_root() => Err("needs root".into()),
            Self::FreezerV1 => group_of("freezer").map(drop).ok_or("the v1 freezer is not mounted".into()),
            Self::MemoryGroup => writable(&memory_group().ok_or("no memory controller is mounted")?),
            Self::PidNamespaces => pid_namespaces(),
            Self::OpenProc => open_proc(),
        }
    }
}

fn open_proc() -> Result<(), String> {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let options = table.lines().rfind(|line| line.split(' ').nth(1) == Some("/proc"));
    let hides =
        |option: &str| option.strip_prefix("hidepid=").is_some_and(|how| !["0", "off"].contains(&how));
    let hidden = options.and_then(|line| line.split(' ').nth(3)).is_some_and(|all| all.split(',').any(hides));
    if hidden && !is_root() {
        return Err("the witness would not see it: /proc is mounted with hidepid".into());
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn pid_namespaces() -> Result<(), String> {
    let limit = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
        text.trim().parse::<u64>().ok()
    };
    let none = limit("user/max_pid_namespaces") == Some(0);
    let forbidden = !is_root()
        && (limit("user/max_user_namespaces") == Some(0)
            || limit("kernel/unprivileged_userns_clone") == Some(0)
            || limit("kernel/apparmor_restrict_unprivileged_userns") == Some(1));
    if none || forbidden { Err("this user cannot make pid namespaces here".into()) } else { Ok(()) }
}

#[cfg(not(target_os = "linux"))]
fn pid_namespaces() -> Result<(), String> {
    Err("this platform has no pid namespaces".into())
}

/// The cgroup v2 hierarchy.
pub(crate) struct Cgroup2 {
    /// Where it is mounted.
    pub(crate) mount: PathBuf,
    /// The group of this process.
    pub(crate) own: PathBuf,
}

pub(crate) fn cgroup2() -> Option<Cgroup2> {
    let mount = mount(|kind, _| kind == "cgroup2")?;
    let own = own_path("")?;
    Some(Cgroup2 { own: mount.join(own), mount })
}

/// This process's group in the v1 hierarchy of `controller`.
pub(crate) fn group_of(controller: &str) -> Option<PathBuf> {
    let mount =
        mount(|kind, options| kind == "cgroup" && options.split(',').any(|option| option == controller))?;
    Some(mount.join(own_path(controller)?))
}

/// This process's group where memory can be bounded.
pub(crate) fn memory_group() -> Option<PathBuf> {
    group_with("memory")
}

fn group_with(controller: &str) -> Option<PathBuf> {
    let v2 = || {
        let own = cgroup2()?.own;
        let delegated = std::fs::read_to_string(own.join("cgroup.subtree_control")).ok()?;
        delegated.split_whitespace().any(|name| name == controller).then_some(own)
    };
    group_of(controller).or_else(v2)
}

/// The first mount whose file system type and super options are the right ones (see proc_pid_mountinfo(5)).
fn mount(right: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    table.lines().find_map(|line| {
        let (fields, system) = line.split_once(" - ")?;
        let point = fields.split(' ').nth(4)?;
        let mut system = system.split(' ');
        right(system.next()?, system.nth(1)?).then(|| PathBuf::from(point))
    })
}

/// The path of this process's group, without its first slash; `""` names version 2.
fn own_path(controller: &str) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    table.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|name| name == controller).then(|| path[1..].to_owned())
    })
}
