//! What a harness of the suite is on Unix: how it is started, found, struck, and told by its end.

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, kill_process_group, setrlimit};

use super::Harness;
use super::words::{Death, Order};
use crate::case::Checked;
use crate::scene::Scene;
use crate::witness::{Blow, Herd, signal_of};

/// The environment variable with the scene's token, by which a harness's helpers are found.
const VARIABLE: &str = "SPAWNER_CONFORMANCE_SCENE";

/// What everything has that a scene's harnesses started: a variable of its environment.
pub(super) struct Mark(String);

impl Mark {
    /// That of the scene with this token.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere a mark is something that has to be made")]
    pub(super) fn of(token: &str) -> io::Result<Self> {
        Ok(Self(token.to_owned()))
    }

    /// Starts a harness that bears the mark.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        command.env(VARIABLE, &self.0).spawn()
    }

    /// What is alive and bears it.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere asking can fail")]
    pub(super) fn bearers(&self) -> io::Result<Herd> {
        Ok(Herd::marked(&format!("{VARIABLE}={}", self.0)))
    }
}

/// Has the harness lead a process group.
pub(super) fn in_front(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// What befalls a harness on Unix alone.
impl Harness {
    /// Starts one in this process's own group, so that it can come to lead a session.
    pub(crate) fn start_plain(scene: &Scene) -> Checked<Self> {
        Self::start_by(scene, |command| command)
    }

    /// Has it lead a session.
    pub(crate) async fn lead_session(&mut self) -> Checked {
        self.done(Order::LeadSession).await
    }

    /// Kills the process group that it leads, and reaps it.
    pub(crate) fn kill_group(&mut self) -> Checked {
        kill_process_group(raw(self.pid())?, Signal::KILL).map_err(io::Error::from)?;
        self.reap()
    }

    /// Everything in the session that it leads.
    pub(crate) fn session(&self) -> Herd {
        Herd::session(self.pid())
    }
}

/// Stops a harness, or lets it go on. It is not reaped, so its pid is its own.
pub(super) fn strike(harness: &Child, blow: Blow) -> io::Result<()> {
    Ok(kill_process(raw(harness.id())?, signal_of(blow))?)
}

fn raw(pid: u32) -> io::Result<Pid> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other("its pid is none"))
}

/// Whether a harness that was told to die in this way has done so.
pub(crate) fn has_died_so(how: Death, status: ExitStatus) -> bool {
    let signal = match how {
        Death::Panic | Death::Exit | Death::Return => None,
        Death::Abort => Some(libc::SIGABRT),
        Death::Eat => Some(libc::SIGKILL),
    };
    status.signal() == signal
}

/// Becomes the leader of a session.
pub(super) fn lead_session() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Has this process die without leaving a core, or asking anybody.
pub(super) fn die_quietly() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}
