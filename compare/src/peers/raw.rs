//! What the kernel takes to end a control group: made by hand, with nothing around it.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{WaitOptions, getpid, set_child_subreaper, waitpid};

/// A control group with one task in it.
pub(crate) struct RawGroup {
    folder: PathBuf,
    events: File,
    child: Child,
}

impl RawGroup {
    /// Makes one below this process's own and starts `argv` in it.
    pub(crate) fn start(argv: &[String], reaping: bool) -> Result<Self, String> {
        if reaping {
            set_child_subreaper(Some(getpid())).map_err(|errno| errno.to_string())?;
        }
        let folder = own_group()?.join(format!("compare-raw-{}", std::process::id()));
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir(&folder).map_err(failed)?;
        let join = r#"echo 0 >"$0/cgroup.procs" && exec "$@""#;
        let child = Command::new("sh")
            .args(["-c", join])
            .arg(&folder)
            .args(argv)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let events = File::open(folder.join("cgroup.events")).map_err(failed)?;
        Ok(Self { folder, events, child })
    }

    /// Kills everything in it, and waits until it is empty. With `reaping`, this process inherits what the task's first
    /// process leaves, and reaps it all, as whoever wants to prove that nothing is left must.
    pub(crate) fn end(&mut self, reaping: bool) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        std::fs::write(self.folder.join("cgroup.kill"), "1").map_err(failed)?;
        if reaping {
            loop {
                match waitpid(None, WaitOptions::empty()) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(Errno::CHILD) => break,
                    Err(errno) => return Err(failed(errno.into())),
                }
            }
        }
        loop {
            let mut text = String::new();
            self.events.rewind().and_then(|()| self.events.read_to_string(&mut text)).map_err(failed)?;
            if text.contains("populated 0") {
                break;
            }
            let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
            let noticed = poll(&mut [PollFd::new(&self.events, PollFlags::PRI)], Some(&patience));
            if noticed.map_err(|errno| failed(errno.into()))? == 0 {
                return Err("a control group does not become empty".into());
            }
        }
        if !reaping {
            self.child.wait().map_err(failed)?;
        }
        Ok(())
    }

    pub(crate) fn remove(self) -> Result<(), String> {
        std::fs::remove_dir(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))
    }
}

/// This process's own control group of version 2.
pub(crate) fn own_group() -> Result<PathBuf, String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mount = mount.into_iter().find(|fields| fields.get(2) == Some(&"cgroup2"));
    let mount = mount.ok_or("no cgroup v2 is mounted")?[1].to_owned();
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    Ok(Path::new(&mount).join(own))
}
