//! The first process of a task's pid namespace: ours, so that the task's main process is an ordinary one.
//!
//! It reaps the namespace's orphans, tells its keeper how the main process ended, and ends when it has no
//! child left. When it is killed the kernel kills everything in the namespace, and it can be reaped only
//! after all of that is gone (pid_namespaces(7)).

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::birth::{Cradle, has_obstacle, write_obstacle};
use crate::linux::children;
use crate::linux::sys::{self, Reap, Reaped, SharedWord, Side};
use crate::linux::vfork::Stack;
use crate::linux::words::{Obstacle, Step};

/// A namespace's init, as its keeper sees it.
pub(super) struct Init {
    pub(super) pid: i32,
    leader: i32,
    /// What it says: one byte when the main process runs, then the main process's end.
    reports: OwnedFd,
    /// Whether it has ended, and so says nothing any more; it may take long to be gone.
    silent: bool,
}

const REPORT: usize = 4 + 3 * 8;

/// Starts an init in a namespace of its own, and the task's main process below it. Returns the latter's pid
/// as it is outside.
pub(super) fn start(
    cradle: &Cradle,
    group: Option<BorrowedFd<'_>>,
    obstacle: &SharedWord,
) -> Result<(Init, i32, Option<OwnedFd>), Obstacle> {
    let pair = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let (reader, writer) = pair.map_err(|errno| failed(Step::Fork, errno))?;
    // Inside of the namespace they would read as the overflow ids.
    let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let privileged = rustix::process::geteuid().is_root();
    let user = if privileged { 0 } else { libc::CLONE_NEWUSER };
    #[allow(clippy::cast_sign_loss)]
    let namespaces = (libc::CLONE_NEWPID | libc::CLONE_NEWNS | user) as u64;
    // SAFETY: a keeper has one thread. The child is awaited until it closes the pipe or reports.
    #[allow(unsafe_code)]
    let side = unsafe { sys::fork_into(group, namespaces) };
    let pid = match side.map_err(|error| Obstacle::from_io(Step::Namespace, &error))? {
        Side::Child => {
            drop(reader);
            run(cradle, writer, obstacle, (!privileged).then_some(ids))
        }
        Side::Parent(pid) => pid,
    };
    drop(writer);
    let mut born = [0u8; 1];
    let running = loop {
        match rustix::io::read(&reader, &mut born) {
            Err(Errno::INTR) => {}
            Ok(1) => break true,
            Ok(_) | Err(_) => break false,
        }
    };
    if !running {
        // Either the obstacle says why, or something killed it: then the reaped init will.
        return Ok((Init { pid, leader: pid, reports: reader, silent: false }, pid, None));
    }
    // The init reaps nothing before it hears from its keeper, so its first child is the main process.
    let leader = children::of(pid, 1).ok().and_then(|children| children.first().copied()).unwrap_or(pid);
    let pidfd = Pid::from_raw(leader).and_then(|leader| pidfd_open(leader, PidfdFlags::empty()).ok());
    let heard = rustix::io::ioctl_fionbio(&reader, true).and_then(|()| rustix::io::write(&reader, &[1]));
    heard.map_err(|errno| failed(Step::Fork, errno))?;
    Ok((Init { pid, leader, reports: reader, silent: false }, leader, pidfd))
}

fn failed(step: Step, errno: Errno) -> Obstacle {
    Obstacle::new(step, errno.raw_os_error(), "")
}

impl Init {
    /// Readable when there is a report.
    pub(super) fn reports(&self) -> Option<BorrowedFd<'_>> {
        (!self.silent).then(|| self.reports.as_fd())
    }

    /// How the main process ended, once.
    pub(super) fn report(&mut self) -> Option<Reaped> {
        let mut buffer = [0u8; REPORT];
        match rustix::io::read(&self.reports, &mut buffer) {
            Ok(REPORT) => {}
            // Nothing yet; or the init has ended, and its own end says so.
            other => {
                self.silent |= other.is_ok() || other == Err(Errno::CONNRESET);
                return None;
            }
        }
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| buffer[at + index]));
        let status = i32::from_le_bytes(std::array::from_fn(|index| buffer[index]));
        Some(Reaped {
            pid: self.leader,
            status,
            user: std::time::Duration::from_micros(word(4)),
            system: std::time::Duration::from_micros(word(12)),
            max_rss: word(20),
        })
    }
}

/// The life of the init.
fn run(cradle: &Cradle, reports: OwnedFd, obstacle: &SharedWord, ids: Option<(u32, u32)>) -> ! {
    if let Err((step, error)) = set_up(cradle, &reports, ids) {
        write_obstacle(obstacle, step, error.raw_os_error().unwrap_or(libc::EIO));
        sys::exit_now(127);
    }
    let leader = match Stack::new().and_then(|mut stack| cradle.rock(&mut stack, None, obstacle)) {
        Ok(pid) => pid,
        Err(error) => {
            write_obstacle(obstacle, Step::Fork, error.raw_os_error().unwrap_or(libc::EIO));
            sys::exit_now(127);
        }
    };
    if has_obstacle(obstacle) {
        sys::exit_now(127);
    }
    // The task's streams are the task's alone: who closes one is to be noticed by who reads from it.
    if sys::close_all_but(&mut [reports.as_raw_fd()]).is_err() {
        sys::exit_now(127);
    }
    let mut keeper = std::os::unix::net::UnixStream::from(reports);
    if keeper.write_all(&[1]).and_then(|()| keeper.read_exact(&mut [0])).is_err() {
        sys::exit_now(127);
    }
    loop {
        match sys::reap_blocking() {
            Ok(Reap::One(child)) if child.pid == leader => {
                let mut report = Vec::with_capacity(REPORT);
                report.extend(child.status.to_le_bytes());
                for time in [child.user, child.system] {
                    report.extend(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).to_le_bytes());
                }
                report.extend(child.max_rss.to_le_bytes());
                if keeper.write_all(&report).is_err() {
                    // No keeper: ending takes the whole namespace along.
                    sys::exit_now(1);
                }
            }
            Ok(Reap::Childless) => sys::exit_now(0),
            Ok(Reap::One(_) | Reap::NoneYet) | Err(_) => {}
        }
    }
}

fn set_up(cradle: &Cradle, reports: &OwnedFd, ids: Option<(u32, u32)>) -> Result<(), (Step, io::Error)> {
    let namespace = |errno: Errno| (Step::Namespace, io::Error::from(errno));
    sys::on_end_of_parent(libc::SIGKILL).map_err(|error| (Step::Session, error))?;
    rustix::thread::set_name(c"spawner-init").map_err(|errno| (Step::Session, errno.into()))?;
    if let Some((user, group)) = ids {
        map_own_user(user, group).map_err(|error| (Step::Namespace, error))?;
    }
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(namespace)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).map_err(namespace)?;
    // The keeper's socket must be the keeper's alone: its end tells the harness that the keeper died.
    let mut keep: Vec<i32> = cradle.descriptors().chain([reports.as_raw_fd()]).collect();
    sys::close_all_but(&mut keep).map_err(|error| (Step::Streams, error))
}

/// In a fresh user namespace, makes this user and group what they are outside (user_namespaces(7)).
fn map_own_user(user: u32, group: u32) -> io::Result<()> {
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}
