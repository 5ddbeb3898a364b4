//! Follows a harness and its helpers from system call to system call, and counts. Tasks are let go as soon as they are executed.

use std::collections::HashMap;
use std::ops::Index;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Who makes a call. What a keeper's child does until it has become the task is the keeper's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Role {
    Harness,
    Supervisor,
    Keeper,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        ["harness", "supervisor", "keeper"][self as usize]
    }
}

/// The calls of each role; each is a stop before it and one after it.
#[derive(Debug, Default)]
pub(crate) struct Calls([u32; 3]);

impl Index<Role> for Calls {
    type Output = u32;

    fn index(&self, role: Role) -> &u32 {
        &self.0[role as usize]
    }
}

#[derive(Debug, Clone, Copy)]
struct Traced {
    role: Role,
    /// Whether it has yet to become the task.
    newborn: bool,
}

pub(crate) struct Walk {
    /// Whether the lives that count have begun and not ended.
    counting: bool,
    known: HashMap<Pid, Traced>,
    calls: Calls,
    root: Pid,
    failed: Option<String>,
}

impl Walk {
    /// Follows a harness through `count` lives.
    pub(crate) fn over(mechanism: &str, count: u32, task: &str) -> Result<Calls, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        // It stops itself before it becomes the harness, and is followed from there.
        let mut command = Command::new("sh");
        command.args(["-c", r#"kill -STOP $$; exec "$@""#, "sh"]).arg(own);
        command.args([super::lives::ARGUMENT, mechanism, &count.to_string(), task]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(|error| error.to_string())?;
        let root = Pid::from_raw(child.id().cast_signed());
        // It is reaped below like all others; a `Child` that is dropped does nothing.
        drop(child);
        let failed = |errno: Errno| format!("the harness cannot be followed: {errno}");
        waitpid(root, Some(WaitPidFlag::WUNTRACED)).map_err(failed)?;
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(root, options).map_err(failed)?;
        // It is a child that was not reaped, so its pid is its own.
        nix::sys::signal::kill(root, Signal::SIGCONT).map_err(failed)?;
        let known = HashMap::from([(root, Traced { role: Role::Harness, newborn: false })]);
        Self { counting: false, known, calls: Calls::default(), root, failed: None }.follow()
    }

    /// Until nobody is followed any more.
    fn follow(mut self) -> Result<Calls, String> {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(status) => self.heed(status)?,
                Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => break,
                Err(errno) => return Err(errno.to_string()),
            }
        }
        self.failed.map_or(Ok(self.calls), Err)
    }

    fn heed(&mut self, status: WaitStatus) -> Result<(), String> {
        match status {
            WaitStatus::Stopped(thread, super::lives::MARK) if thread == self.root => {
                self.counting = !self.counting;
                self.resume(thread, None)
            }
            WaitStatus::PtraceSyscall(thread) => {
                self.count(thread);
                self.resume(thread, None)
            }
            WaitStatus::PtraceEvent(thread, _, libc::PTRACE_EVENT_EXEC)
                if self.find(thread).is_some_and(|traced| traced.newborn) =>
            {
                self.known.remove(&thread);
                whoever_died(ptrace::detach(thread, None))
            }
            WaitStatus::PtraceEvent(thread, ..) => self.resume(thread, None),
            WaitStatus::Stopped(thread, signal) => self.resume(thread, Some(signal)),
            WaitStatus::Exited(thread, status) => {
                self.known.remove(&thread);
                if thread == self.root && status != 0 {
                    self.failed = Some(format!("the harness failed with {status}"));
                }
                Ok(())
            }
            WaitStatus::Signaled(thread, ..) => {
                self.known.remove(&thread);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, thread: Pid) {
        if self.counting
            && let Some(traced) = self.find(thread)
        {
            self.calls.0[traced.role as usize] += 1;
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
        let traced = match self.known.get(&process) {
            Some(leader) => *leader,
            None => match self.known.get(&parent)?.role {
                Role::Harness => Traced { role: Role::Supervisor, newborn: false },
                Role::Supervisor => Traced { role: Role::Keeper, newborn: false },
                Role::Keeper => Traced { role: Role::Keeper, newborn: true },
            },
        };
        self.known.insert(thread, traced);
        Some(traced)
    }

    /// Lets it run to its next call, or to the end of the present one.
    fn resume(&mut self, thread: Pid, signal: Option<Signal>) -> Result<(), String> {
        self.find(thread);
        whoever_died(ptrace::syscall(thread, signal))
    }
}

/// One that was killed meanwhile tells so by its next status.
fn whoever_died(result: nix::Result<()>) -> Result<(), String> {
    match result {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(format!("cannot let it go on: {errno}")),
    }
}
