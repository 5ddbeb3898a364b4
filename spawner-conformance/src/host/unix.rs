//! Who this is on Unix, what may be written to, and the control groups of processes.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{SET_UID_COPY, group_with, mount};

#[expect(clippy::unnecessary_wraps, reason = "elsewhere it is not")]
pub(super) fn is_unix(_: &str) -> Result<(), String> {
    Ok(())
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(super) fn writable(folder: &Path) -> Result<(), String> {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK)
        .map_err(|error| format!("no group can be made below {}: {error}", folder.display()))
}

pub(super) fn set_uid_copy() -> Result<(), String> {
    let path = std::env::var_os(SET_UID_COPY)
        .ok_or_else(|| format!("needs a set-uid root copy of this program, named by {SET_UID_COPY}"))?;
    let copy = std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if is_root() {
        return Err("is about ordinary users, and this is root".into());
    }
    let good = copy.uid() == 0 && copy.mode() & 0o4000 != 0;
    good.then_some(()).ok_or_else(|| format!("{} is not set-uid root", path.display()))
}

/// This process's group where the number of processes can be bounded.
pub(crate) fn pids_group() -> Option<PathBuf> {
    group_with("pids")
}

/// The control groups of a process (`self`, or a pid), in every hierarchy that is mounted.
pub(crate) fn groups(process: &str) -> Vec<PathBuf> {
    let table = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    let group = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let mount = match controllers.split(',').next()? {
            "" => mount(|kind, _| kind == "cgroup2"),
            first => {
                mount(|kind, options| kind == "cgroup" && options.split(',').any(|option| option == first))
            }
        }?;
        Some(mount.join(path.strip_prefix('/')?))
    };
    table.lines().filter_map(group).collect()
}
