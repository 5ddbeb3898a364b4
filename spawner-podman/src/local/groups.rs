//! The control groups that an engine made for one container: its own, in version 2 and in every hierarchy of
//! version 1.
//!
//! An engine names them after the container's full id, so a group without it in its path is somebody else's: a
//! rootless container on version 1 stays in the group of who started it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use spawner_core::proc;
use tokio::io::Interest;
use tokio::time::sleep;

use super::notice::watch;

/// The groups of the container `id` that the process `pid` is in.
pub(super) fn of(pid: i32, id: &str) -> io::Result<Vec<PathBuf>> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(find(&mounts, &groups, id))
}

/// Whether the process `pid` is in a group of the container `id`. An error where there is no such process.
pub(super) fn has(pid: i32, id: &str) -> io::Result<bool> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    Ok(groups.lines().filter_map(path_of).any(|path| own(path, id).is_some()))
}

fn path_of(line: &str) -> Option<&str> {
    line.splitn(3, ':').nth(2)
}

/// The part of a group's path that ends with the folder which is named after the container.
fn own<'a>(path: &'a str, id: &str) -> Option<&'a str> {
    let end = path.rfind(id).filter(|_| !id.is_empty())? + id.len();
    Some(path[end..].find('/').map_or(path, |slash| &path[..end + slash]))
}

/// Reads the two tables: proc_pid_mountinfo(5) and cgroups(7).
fn find(mounts: &str, groups: &str, id: &str) -> Vec<PathBuf> {
    let mounts: Vec<Mount<'_>> = mounts.lines().filter_map(Mount::read).collect();
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let Some(path) = own(path, id) else { continue };
        // What was mounted later covers the first.
        let mount = mounts.iter().rev().find(|mount| mount.has(controllers));
        let folder = mount.and_then(|mount| {
            let below = path.strip_prefix(mount.root.trim_end_matches('/'))?;
            Some(mount.point.join(below.trim_start_matches('/')))
        });
        found.extend(folder.filter(|folder| !found.contains(folder)));
    }
    found
}

struct Mount<'a> {
    root: &'a str,
    point: PathBuf,
    /// What a version 1 hierarchy carries; `None` is version 2.
    carries: Option<&'a str>,
}

impl<'a> Mount<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - cgroup")?;
        let mut fields = left.split(' ');
        let (root, point) = (fields.nth(3)?, fields.next()?);
        let carries = match right.strip_prefix("2 ") {
            Some(_) => None,
            None => Some(right.rsplit(' ').next()?),
        };
        Some(Self { root, point: PathBuf::from(unescape(point)), carries })
    }

    fn has(&self, controllers: &str) -> bool {
        match self.carries {
            None => controllers.is_empty(),
            Some(_) if controllers.is_empty() => false,
            Some(carries) => controllers.split(',').all(|one| carries.split(',').any(|other| other == one)),
        }
    }
}

/// Mount points have their blanks written in octal.
fn unescape(path: &str) -> String {
    ["\\040 ", "\\011\t", "\\012\n", "\\134\\"]
        .iter()
        .fold(path.to_owned(), |path, code| path.replace(&code[..4], &code[4..]))
}

/// The groups of this host that are named after the container `id`, in every hierarchy.
pub(super) fn named_after(id: &str) -> io::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mut found = Vec::new();
    let mut folders: Vec<_> = mounts.lines().filter_map(Mount::read).map(|mount| mount.point).collect();
    while let Some(folder) = folders.pop() {
        for below in subfolders(&folder)? {
            let own = below.file_name().is_some_and(|name| name.to_string_lossy().contains(id));
            if own { &mut found } else { &mut folders }.push(below);
        }
    }
    Ok(found)
}

/// Whether this host has hierarchies of version 1, where a rootless container gets no group of its own.
pub(super) fn are_of_version_1() -> io::Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(mounts.lines().filter_map(Mount::read).any(|mount| mount.carries.is_some()))
}

fn subfolders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if gone(&error) => return Ok(Vec::new()),
        other => other?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type()?.is_dir() => folders.push(entry.path()),
            Ok(_) => {}
            Err(error) if gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(folders)
}

/// The pids of all processes in the group at `path` and below it; none where it is gone.
pub(super) fn pids_below(path: &Path, found: &mut Vec<i32>) -> io::Result<()> {
    match fs::read_to_string(path.join("cgroup.procs")) {
        Ok(text) => found.extend(text.lines().filter_map(|pid| pid.parse::<i32>().ok())),
        Err(error) if gone(&error) => return Ok(()),
        // A threaded group lists its processes in the group above it.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    subfolders(path)?.iter().try_for_each(|folder| pids_below(folder, found))
}

/// Waits until one of version 2 became empty or was filled, and for `patience` at most.
pub(super) async fn changed(groups: &[PathBuf], patience: Duration) -> io::Result<()> {
    let events = groups.iter().find_map(|group| File::open(group.join("cgroup.events")).ok());
    let Some(mut events) = events else {
        sleep(patience).await;
        return Ok(());
    };
    // What happens after this read is notified.
    match events.read_to_string(&mut String::new()) {
        Err(error) if gone(&error) => return Ok(()),
        other => other?,
    };
    let watched = watch(events.into(), Interest::PRIORITY)?;
    tokio::select! {
        ready = watched.ready(Interest::PRIORITY) => ready.map(drop),
        () = sleep(patience) => Ok(()),
    }
}

/// Kills what is in those of version 2, atomically against forking; says whether there was one.
pub(super) fn kill(groups: &[PathBuf]) -> io::Result<bool> {
    write(groups, "cgroup.kill", "1")
}

/// Thaws all of them: what is frozen hears nothing, and in version 1 does not even die.
pub(super) fn thaw(groups: &[PathBuf]) -> io::Result<()> {
    write(groups, "cgroup.freeze", "0").and(write(groups, "freezer.state", "THAWED")).map(drop)
}

/// Whether somebody froze one of them.
pub(super) fn are_frozen(groups: &[PathBuf]) -> bool {
    let says = |group: &PathBuf, file: &str, word: &str| {
        fs::read_to_string(group.join(file)).is_ok_and(|text| text.trim() == word)
    };
    groups.iter().any(|group| {
        says(group, "cgroup.freeze", "1")
            || says(group, "freezer.state", "FROZEN")
            || says(group, "freezer.state", "FREEZING")
    })
}

/// Writes to those that have the file; says whether there was one.
fn write(groups: &[PathBuf], file: &str, word: &str) -> io::Result<bool> {
    let mut written = Ok(false);
    for path in groups.iter().map(|group| group.join(file)).filter(|path| path.exists()) {
        match fs::write(&path, word) {
            Ok(()) => written = written.map(|_| true),
            Err(error) if gone(&error) => {}
            Err(error) => {
                let why = format!("cannot write {}: {error}", path.display());
                written = Err(io::Error::new(error.kind(), why));
            }
        }
    }
    written
}

/// Whether the group, or the process, is not there any more.
pub(super) fn gone(error: &io::Error) -> bool {
    proc::gone(error) || error.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4c50a511fe5fa8d5";

    #[test]
    fn the_container_s_own_groups_are_found_in_every_hierarchy() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      40 31 0:37 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
                      41 31 0:38 / /cg/my\\040unified rw - cgroup2 cgroup2 rw\n";
        let groups = format!(
            "9:name=systemd:/libpod-{ID}.scope/container\n4:cpu,cpuacct:/parent/libpod-{ID}\n\
             3:memory:/parent/libpod-{ID}\n2:pids:/user.slice\n0::/a/libpod-{ID}.scope/container/own\n"
        );
        let paths = ["/cg/systemd/libpod-", "/cg/cpu,cpuacct/parent/libpod-", "/cg/my unified/a/libpod-"];
        let ends = [".scope", "", ".scope"];
        let wanted: Vec<_> =
            paths.iter().zip(ends).map(|(path, end)| PathBuf::from(format!("{path}{ID}{end}"))).collect();
        assert_eq!(find(mounts, &groups, ID), wanted);
    }

    #[test]
    fn a_group_that_is_not_named_after_the_container_is_not_its_own() {
        let mounts = "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n";
        assert!(find(mounts, "0::/user.slice/session-1.scope\n", ID).is_empty());
        assert!(find(mounts, "0::/anything\n", "").is_empty());
    }

    #[test]
    fn of_a_container_in_a_container_the_inner_one_s_group_is_its_own() {
        let mounts = "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n";
        let groups = format!("0::/docker/0123/docker/{ID}/sub\n");
        assert_eq!(find(mounts, &groups, ID), [PathBuf::from(format!("/cg/docker/0123/docker/{ID}"))]);
    }

    #[test]
    fn a_group_outside_of_the_mounted_part_is_not_found() {
        let mounts = "41 31 0:38 /inner /cg rw - cgroup2 cgroup2 rw\n";
        assert!(find(mounts, &format!("0::/outer/{ID}\n"), ID).is_empty());
    }
}
