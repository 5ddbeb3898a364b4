//! What a task sees on Windows: handles, and texts of any units.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::windows::ffi::OsStringExt as _;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use spawner_core::{TaskSpec, Teardown};

use crate::case::{Checked, require};
use crate::scene::Scene;
use crate::win::file;

/// The name of a folder, as odd as a name may be.
pub(crate) const FOLDER: &str = "a folder ünd %PATH% & 'more'";

/// A text that is none: half of a character.
pub(crate) fn odd() -> OsString {
    OsString::from_wide(&[0xD800, u16::from(b' '), u16::from(b'x')])
}

/// The text that a workload told; what is none is told apart by its length alone.
pub(crate) fn text(told: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&told).into_owned().into()
}

/// The name of a variable, as it is compared with another: in capitals. The current folders of drives are
/// variables that nobody has set.
pub(crate) fn name(told: Vec<u8>) -> Option<OsString> {
    let name = String::from_utf8_lossy(&told).to_uppercase();
    (!name.starts_with('=')).then(|| name.into())
}

/// The variables that the system itself gives to a process which is started without any, by nobody but this one.
pub(crate) fn always_there(scene: &Scene) -> io::Result<Vec<OsString>> {
    let own = scene.another()?;
    let spec = own.spec("tells-environment", [""; 0]);
    let mut command = Command::new(scene.program());
    let told = command.args(&spec.argv[1..]).env_clear().output()?.stdout;
    let name_of = |line: &[u8]| {
        let at = line.iter().skip(1).position(|&byte| byte == b'=')? + 1;
        name(line[..at].to_vec())
    };
    Ok(told.split(|&byte| byte == 0).filter_map(name_of).collect())
}

/// The path by which a process knows that it is in this folder.
pub(crate) fn full(folder: &Path) -> io::Result<PathBuf> {
    std::path::absolute(folder)
}

/// A task that writes its pid to a file, in one step, and stays.
pub(crate) fn tells_pid(scene: &Scene, file: &Path) -> TaskSpec {
    scene.spec("tells-pid", [file])
}

/// A task that writes 3000 lines and an `x` by way of a `tee`, which ends after it.
pub(crate) fn tees(scene: &Scene, log: &Path) -> TaskSpec {
    scene.spec("tees", [log])
}

/// A file that this process has open, and hands on to whom it gives all its handles: no task is to have it.
pub(crate) async fn descriptors(scene: Arc<Scene>) -> Checked {
    let path = scene.path("not to be inherited");
    let own = std::fs::File::create(&path)?;
    file::hand_on(&own)?;
    let task = scene.start_ready("well-behaved", &[], 1).await?;
    drop(own);
    let alone = OpenOptions::new().read(true).share_mode(0).open(&path);
    drop(scene.end(&task, &Teardown::at_once()).await?);
    require!(alone.is_ok(), "the task was given another handle: {alone:?}");
    Ok(())
}
