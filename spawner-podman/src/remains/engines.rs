//! Private engines whose harnesses are dead.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use spawner_core::ProcessIdentity;

use crate::engine::{PRIVATE_FOLDER, end_private};

/// Ends them, and removes their folders. Blocks for a second or two at the most for each.
pub(crate) fn end_engines_of_the_dead() {
    for folder in bases().iter().flat_map(|base| folders(base)) {
        if let Err(error) = end_private(&folder) {
            tracing::debug!(folder = %folder.display(), %error, "the private engine of a dead harness is left");
        }
    }
}

/// Where such folders are made.
fn bases() -> Vec<PathBuf> {
    let runtime =
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let mut bases: Vec<_> = runtime.into_iter().chain([std::env::temp_dir()]).collect();
    bases.dedup();
    bases
}

fn folders(base: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(base).into_iter().flatten().filter_map(io::Result::ok);
    let abandoned = entries.filter(|entry| {
        let own = entry
            .metadata()
            .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw());
        own && harness(&entry.file_name()).is_some_and(|harness| !harness.is_alive())
    });
    abandoned.map(|entry| entry.path()).filter(|folder| !is_elsewhere(folder)).collect()
}

/// Whose engine the folder of this name has.
fn harness(name: &OsStr) -> Option<ProcessIdentity> {
    let mut parts = name.to_str()?.strip_prefix(PRIVATE_FOLDER)?.split('-');
    let (pid, start_time) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(ProcessIdentity { boot_id: ProcessIdentity::boot(), pid, start_time })
}

/// Whether somebody listens whose process is none of ours: an engine in another pid namespace, with the same `/tmp`.
fn is_elsewhere(folder: &Path) -> bool {
    let noted = fs::read(folder.join("process")).ok();
    let noted =
        noted.and_then(|text| serde_json::from_slice::<Option<ProcessIdentity>>(&text).ok().flatten());
    !noted.is_some_and(|process| process.is_alive())
        && UnixStream::connect(folder.join("podman.sock")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_folder_is_stands_in_its_name() {
        let own = ProcessIdentity::own();
        let name = format!("{PRIVATE_FOLDER}{}-{}-0", own.pid, own.start_time);
        assert_eq!(harness(OsStr::new(&name)), Some(own));
        for other in ["spawner-engine-", "spawner-engine-1", "spawner-engine-x-1-0", "other-1-1-0"] {
            assert_eq!(harness(OsStr::new(other)), None, "{other}");
        }
    }
}
