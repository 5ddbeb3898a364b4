//! Runs this program again as an ordinary user, with what such a user would have where all is well: a set-uid
//! helper for the cases about other users, and a delegated control group.

use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::host;

/// Runs this program as `user` with `args`, and says how it ended. Takes root.
pub(super) fn run_as(user: &str, args: &[String]) -> io::Result<ExitStatus> {
    let (uid, gid) = ids(user).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no user `{user}`: useradd --create-home {user}"),
        )
    })?;
    // The user may not be able to reach the program where it is, so it gets a copy.
    let folder = tempfile::Builder::new().prefix("spawner-conformance-").tempdir()?;
    set_mode(folder.path(), 0o755)?;
    let own = std::env::current_exe()?;
    let (program, helper) = (folder.path().join("program"), folder.path().join("set-uid-helper"));
    std::fs::copy(&own, &program)?;
    set_mode(&program, 0o755)?;
    std::fs::copy(&own, &helper)?;
    chown(&helper, Some(0), Some(gid))?;
    set_mode(&helper, 0o4750)?;

    let mut command = Command::new(program);
    command.args(args).uid(uid).gid(gid).current_dir("/").env(host::SET_UID_COPY, &helper);
    let delegated = Delegated::to(uid, gid);
    let started = match &delegated {
        Ok(group) => group.start_in(&mut command),
        Err(error) => {
            println!("as {user} there is no delegated control group: {error}");
            command.spawn()
        }
    };
    started?.wait()
}

/// A control group that belongs to the user.
struct Delegated {
    folder: PathBuf,
    outside: PathBuf,
}

impl Delegated {
    fn to(uid: u32, gid: u32) -> io::Result<Self> {
        let none = || io::Error::new(io::ErrorKind::NotFound, "no cgroup v2 is mounted");
        let outside = host::cgroup2().ok_or_else(none)?.own;
        let folder = outside.join(format!("spawner-user-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        let group = Self { folder, outside };
        for name in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
            chown(group.folder.join(name), Some(uid), Some(gid))?;
        }
        Ok(group)
    }

    /// Starts the command in the group, by going there and back.
    fn start_in(&self, command: &mut Command) -> io::Result<std::process::Child> {
        join(&self.folder)?;
        let started = command.spawn();
        join(&self.outside)?;
        started
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        // Helpers of the backend may be on their way out.
        let give_up = Instant::now() + Duration::from_secs(2);
        while let Err(error) = std::fs::remove_dir(&self.folder) {
            if Instant::now() > give_up {
                eprintln!("cannot remove {}: {error}", self.folder.display());
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn join(group: &Path) -> io::Result<()> {
    std::fs::write(group.join("cgroup.procs"), "0")
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// The user and group ids of a local account.
fn ids(user: &str) -> Option<(u32, u32)> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let known = fields.next() == Some(user);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        known.then_some((uid, gid))
    })
}
