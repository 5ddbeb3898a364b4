//! Control groups: where they are mounted, and what a harness may do there.
//!
//! The rules are those of the kernel's `Documentation/admin-guide/cgroup-v2.rst`.

mod group;
mod limits;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use group::{Group, is_detached, pids_below, remove_tree};
pub(crate) use limits::{LimitGroups, Limiter, Limiters};

/// Where a hierarchy is mounted, and where in it this process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub(crate) mount: PathBuf,
    /// The folder of this process's own group.
    pub(crate) own: PathBuf,
    /// Whether the mount is read-only.
    pub(crate) read_only: bool,
}

/// What the kernel says about mounts, and about the groups of this process.
pub(crate) struct Tables {
    mounts: String,
    groups: String,
}

impl Tables {
    pub(crate) fn read() -> io::Result<Self> {
        Ok(Self { mounts: read("/proc/self/mountinfo")?, groups: read("/proc/self/cgroup")? })
    }

    /// The version 2 hierarchy, on pure and on hybrid layouts.
    pub(crate) fn unified(&self) -> Option<Hierarchy> {
        find(&self.mounts, &self.groups, "cgroup2", "")
    }

    /// The version 1 hierarchy with `controller`.
    pub(crate) fn version_1(&self, controller: &str) -> Option<Hierarchy> {
        find(&self.mounts, &self.groups, "cgroup", controller)
    }
}

/// Reads a file of `/proc` in few bites: its size is not known, and std starts with small ones.
fn read(path: &str) -> io::Result<String> {
    let mut text = String::with_capacity(16 << 10);
    std::io::Read::read_to_string(&mut fs::File::open(path)?, &mut text)?;
    Ok(text)
}

/// Reads the two tables: proc_pid_mountinfo(5) and cgroups(7).
fn find(mounts: &str, groups: &str, kind: &str, controller: &str) -> Option<Hierarchy> {
    let own = groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let right = if controller.is_empty() {
            controllers.is_empty()
        } else {
            controllers.split(',').any(|own| own == controller)
        };
        right.then_some(path)
    })?;
    // Most lines are about something else, and taking them apart would take most of the time.
    let about = format!(" - {kind} ");
    let right = mounts.lines().filter(|line| line.contains(&about)).filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ');
        let (root, mount, options) = (fields.nth(3)?, fields.next()?, fields.next()?);
        let mut fields = right.split(' ');
        let (file_system, super_options) = (fields.next()?, fields.nth(1)?);
        let has = |options: &str, wanted| options.split(',').any(|option| option == wanted);
        if file_system != kind || !(controller.is_empty() || has(super_options, controller)) {
            return None;
        }
        // The mount may show a part of the hierarchy only; a group outside of it cannot be reached.
        let below = own.strip_prefix(root.trim_end_matches('/'))?;
        let mount = PathBuf::from(unescape(mount));
        let own = mount.join(below.trim_start_matches('/'));
        let read_only = has(options, "ro") || has(super_options, "ro");
        own.is_dir().then_some(Hierarchy { mount, own, read_only })
    });
    // What was mounted at the same place later covers the first.
    right.fold(None, |first: Option<Hierarchy>, next| match first {
        Some(first) if first.mount != next.mount => Some(first),
        _ => Some(next),
    })
}

/// Mount points have their blanks written in octal.
fn unescape(path: &str) -> String {
    ["\\040 ", "\\011\t", "\\012\n", "\\134\\"]
        .iter()
        .fold(path.to_owned(), |path, code| path.replace(&code[..4], &code[4..]))
}

/// Whether groups can be made below `parent`, and killed there. Looks only: whoever made one to try would
/// leave it behind if it were killed at that moment.
pub(crate) fn can_make_groups(parent: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    access(parent, Access::WRITE_OK | Access::EXEC_OK)?;
    // The root has no type; a threaded group holds threads, not processes.
    let kind = fs::read_to_string(parent.join("cgroup.type")).unwrap_or_else(|_| "domain".to_owned());
    if kind.trim() != "domain" {
        return Err(io::Error::other(format!("its type is `{}`", kind.trim())));
    }
    if !has_kill() {
        return Err(io::Error::other("the kernel is older than 5.14 and has no cgroup.kill"));
    }
    Ok(())
}

/// Whether this kernel has `cgroup.kill`, which the root group does not show.
fn has_kill() -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(5), Some(14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_on_hybrid_and_on_pure_layouts() {
        let here = std::env::temp_dir();
        let here = here.to_str().unwrap();
        let hybrid = format!(
            "31 23 0:28 / /elsewhere rw - tmpfs tmpfs rw\n35 31 0:32 / {here} rw,relatime - cgroup cgroup rw,memory\n\
             41 31 0:38 / {here} rw,relatime - cgroup2 cgroup2 rw\n"
        );
        let groups = "4:memory:/\n0::/\n";
        let own = |kind, controller| find(&hybrid, groups, kind, controller).map(|found| found.own);
        assert_eq!(own("cgroup2", ""), Some(PathBuf::from(here).join("")));
        assert_eq!(own("cgroup", "memory"), Some(PathBuf::from(here).join("")));
        assert_eq!(own("cgroup", "pids"), None);
    }

    #[test]
    fn a_group_outside_of_the_mounted_part_is_not_found() {
        let mounts = "41 31 0:38 /inner /tmp rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find(mounts, "0::/other\n", "cgroup2", ""), None);
        assert!(find(mounts, "0::/inner\n", "cgroup2", "").is_some());
    }

    #[test]
    fn a_read_only_mount_is_told() {
        let mounts = "41 31 0:38 / /tmp ro,relatime - cgroup2 cgroup2 rw\n";
        assert!(find(mounts, "0::/\n", "cgroup2", "").unwrap().read_only);
    }

    #[test]
    fn a_mount_that_is_covered_does_not_count() {
        let mounts = "41 31 0:38 / /tmp rw - cgroup2 cgroup2 rw\n42 41 0:38 / /tmp ro - cgroup2 cgroup2 rw\n\
                      43 31 0:38 / /usr rw - cgroup2 cgroup2 rw\n";
        let found = find(mounts, "0::/\n", "cgroup2", "").unwrap();
        assert!(found.read_only && found.mount == Path::new("/tmp"), "{found:?}");
    }

    #[test]
    fn blanks_in_a_mount_point_are_read_back() {
        assert_eq!(unescape(r"/a\040b\134c"), r"/a b\c");
    }
}
