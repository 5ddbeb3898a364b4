//! Follows a harness and all its helpers from system call to system call, and kills one of them at the chosen one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::scene::Scene;

/// How long one run may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is to be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Harness,
    Supervisor,
    Keeper,
    /// A child of a keeper that has not yet become the task.
    Newborn,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Harness, Self::Supervisor, Self::Keeper, Self::Newborn];

    pub(crate) fn name(self) -> &'static str {
        ["harness", "supervisor", "keeper", "newborn"][self as usize]
    }

    fn of_child(self) -> Self {
        Self::ALL[(self as usize + 1).min(3)]
    }
}

/// How a run went.
pub(crate) enum Walked {
    /// It was killed then, when it was about to make this system call.
    Killed { what: String, when: Instant, harness: u32 },
    /// It came to its end before.
    Ended,
}

/// A thread that is followed.
#[derive(Clone, Copy)]
struct Traced {
    role: Role,
    process: Pid,
    /// Whether it is in a system call, as a newborn is: in that of its parent which made it.
    inside: bool,
}

/// Runs a harness, and kills whoever of `role` makes the `at`-th system call of that role, counted over all of them.
pub(crate) fn run(scene: &Scene, role: Role, at: usize) -> Result<Walked, String> {
    let harness = scene.start("traced")?;
    let root = Pid::from_raw(harness.id().cast_signed());
    // It is reaped below like all others; a `Child` that is dropped does nothing.
    drop(harness);
    waitpid(root, Some(WaitPidFlag::WUNTRACED)).map_err(|errno| format!("it did not begin: {errno}"))?;
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(root, options).map_err(|errno| format!("it cannot be traced: {errno}"))?;
    kill(root, Signal::SIGCONT).map_err(|errno| errno.to_string())?;
    let mut walk = Walk { known: HashMap::new(), role, at, count: 0, killed: None };
    walk.known.insert(root, Traced { role: Role::Harness, process: root, inside: false });
    walk.follow(root.as_raw().cast_unsigned())
}

struct Walk {
    known: HashMap<Pid, Traced>,
    role: Role,
    at: usize,
    count: usize,
    killed: Option<(String, Instant)>,
}

impl Walk {
    /// Until nobody is followed any more.
    fn follow(mut self, harness: u32) -> Result<Walked, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) if Instant::now() > deadline => {
                    return Err(format!("the run does not end; followed are {:?}", self.known.keys()));
                }
                Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_micros(30)),
                Ok(status) => self.heed(status)?,
                Err(Errno::ECHILD) => {
                    return Ok(match self.killed {
                        Some((what, when)) => Walked::Killed { what, when, harness },
                        None => Walked::Ended,
                    });
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.to_string()),
            }
        }
    }

    fn heed(&mut self, status: WaitStatus) -> Result<(), String> {
        match status {
            WaitStatus::PtraceSyscall(thread) => self.system_call(thread),
            WaitStatus::PtraceEvent(thread, _, libc::PTRACE_EVENT_EXEC) => {
                let becomes_task = self.find(thread).is_some_and(|traced| traced.role == Role::Newborn);
                if becomes_task { self.let_go(thread) } else { self.resume(thread, None) }
            }
            WaitStatus::PtraceEvent(thread, ..) => self.resume(thread, None),
            WaitStatus::Stopped(thread, signal) => self.resume(thread, Some(signal)),
            WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..) => {
                self.known.remove(&thread);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Who it is, by `/proc` where it is new.
    fn find(&mut self, thread: Pid) -> Option<Traced> {
        if let Some(known) = self.known.get(&thread) {
            return Some(*known);
        }
        let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse().ok().map(Pid::from_raw)
        };
        let (process, parent) = (field("Tgid:")?, field("PPid:")?);
        let role = match self.known.get(&process) {
            Some(leader) => leader.role,
            None => self.known.get(&parent)?.role.of_child(),
        };
        let traced = Traced { role, process, inside: true };
        self.known.insert(thread, traced);
        Some(traced)
    }

    /// It is about to make a system call, or has made it; each comes after the other.
    fn system_call(&mut self, thread: Pid) -> Result<(), String> {
        let Some(mut traced) = self.find(thread) else { return self.resume(thread, None) };
        traced.inside = !traced.inside;
        self.known.insert(thread, traced);
        if traced.role != self.role || self.killed.is_some() || !traced.inside {
            return self.resume(thread, None);
        }
        self.count += 1;
        if self.count < self.at {
            return self.resume(thread, None);
        }
        let call = std::fs::read_to_string(format!("/proc/{thread}/syscall")).unwrap_or_default();
        let call = call.split(' ').next().unwrap_or_default();
        // It is stopped by this tracer and not reaped, so its pid is its own.
        kill(traced.process, Signal::SIGKILL).map_err(|errno| errno.to_string())?;
        self.killed = Some((format!("number {call}"), Instant::now()));
        self.resume(thread, None)
    }

    /// Lets it run to its next system call; once somebody was killed, without stopping for those.
    fn resume(&mut self, thread: Pid, signal: Option<Signal>) -> Result<(), String> {
        self.find(thread);
        let resumed = if self.killed.is_some() {
            ptrace::cont(thread, signal)
        } else {
            ptrace::syscall(thread, signal)
        };
        whoever_died(resumed)
    }

    fn let_go(&mut self, thread: Pid) -> Result<(), String> {
        self.known.remove(&thread);
        whoever_died(ptrace::detach(thread, None))
    }
}

/// One that was killed meanwhile tells so by its next status.
fn whoever_died(result: nix::Result<()>) -> Result<(), String> {
    match result {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(format!("cannot let it go on: {errno}")),
    }
}
