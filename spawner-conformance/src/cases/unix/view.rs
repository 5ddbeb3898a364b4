//! What a task sees on Unix: descriptors, signals, texts of any bytes.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spawner_core::TaskSpec;

use crate::case::{Checked, require};
use crate::cases::view::told;
use crate::scene::Scene;

/// The name of a folder, as odd as a name may be.
pub(crate) const FOLDER: &str = "a folder\nof two lines";

/// A text that is none.
pub(crate) fn odd() -> OsString {
    OsString::from_vec(b"\xff\xfe x".to_vec())
}

/// The text that a workload told.
pub(crate) fn text(told: Vec<u8>) -> OsString {
    OsString::from_vec(told)
}

/// The name of a variable, as it is compared with another.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there are some that nobody has set")]
pub(crate) fn name(told: Vec<u8>) -> Option<OsString> {
    Some(text(told))
}

/// The variables that the system itself gives to every process: none.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it has to be found out")]
pub(crate) fn always_there(_: &Scene) -> io::Result<Vec<OsString>> {
    Ok(Vec::new())
}

/// The path by which a process knows that it is in this folder.
pub(crate) fn full(folder: &Path) -> io::Result<PathBuf> {
    folder.canonicalize()
}

/// A task that writes its pid to a file, in one step, and stays.
pub(crate) fn tells_pid(scene: &Scene, file: &Path) -> TaskSpec {
    let script = "echo $$ >\"$1.new\" && mv \"$1.new\" \"$1\"; sleep 30";
    scene.script("sh", script, &[&file.to_string_lossy()])
}

/// A task that writes 3000 lines and an `x` by way of a `tee`, which ends after it.
pub(crate) fn tees(scene: &Scene, log: &Path) -> TaskSpec {
    let script = "mkfifo \"$1.pipe\"; tee \"$1\" <\"$1.pipe\" & exec >\"$1.pipe\"
        i=0; while [ $i -lt 3000 ]; do echo \"line $i\"; i=$((i + 1)); done; echo x";
    scene.script("sh", script, &[&log.to_string_lossy()])
}

pub(crate) async fn descriptors(scene: Arc<Scene>) -> Checked {
    let told = told(&scene, scene.spec("tells-descriptors", [""; 0])).await?;
    let told = String::from_utf8_lossy(&told).into_owned();
    for line in told.lines() {
        let fd = line.split(' ').next().and_then(|fd| fd.parse::<i32>().ok()).unwrap_or(-1);
        // What this program was itself given to hand on (a build tool's, for instance) is not the backend's.
        let right = (0..=2).contains(&fd) || is_handed_on(fd);
        require!(right, "the task was given another descriptor: {line}");
    }
    Ok(())
}

fn is_handed_on(fd: i32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| i32::from_str_radix(octal.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_CLOEXEC == 0)
}

pub(crate) async fn signals_seen(scene: Arc<Scene>) -> Checked {
    scene.needs_proc().await?;
    let told = told(&scene, scene.spec("tells-signals", [""; 0])).await?;
    let told = String::from_utf8_lossy(&told).into_owned();
    let set = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|set| u64::from_str_radix(set.trim_start_matches(':').trim(), 16).ok())
    };
    require!(set("SigBlk") == Some(0), "signals are blocked: {told}");
    let ignored = set("SigIgn").unwrap_or(u64::MAX);
    let own = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let own = own.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    // Rust programs ignore SIGPIPE, which their children must not inherit; what else this one was made to
    // ignore (by nohup, say) is handed on rightly.
    let pipe = 1 << (libc::SIGPIPE - 1);
    // glibc's posix_spawn leaves the two signals ignored that it keeps for itself.
    let glibc_s_own = 0b11 << 31;
    require!(ignored & !(own & !pipe | glibc_s_own) == 0, "signals are ignored: {told}");
    Ok(())
}
