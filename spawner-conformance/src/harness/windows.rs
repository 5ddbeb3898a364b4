//! What a harness of the suite is on Windows: how it is started, found, struck, and told by its end.

use std::io;
use std::os::windows::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};

use super::words::Death;
use crate::win::console;
use crate::win::job::Job;
use crate::win::process::Process;
use crate::witness::{Blow, Herd, strike as strike_process};

const CREATE_SUSPENDED: u32 = 4;
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// What a panic in the main thread of a Rust program ends with.
const PANICKED: i32 = 101;

/// What everything has that a scene's harnesses started: it is in a job of this scene's.
pub(super) struct Mark(Job);

impl Mark {
    /// That of the scene with this token.
    pub(super) fn of(token: &str) -> io::Result<Self> {
        Job::named(&format!("spawner-conformance-{token}")).map(Self)
    }

    /// Starts a harness that bears the mark, from its first instruction on.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        let mut child = command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_SUSPENDED).spawn()?;
        let marked = Process::of(&child).and_then(|process| {
            self.0.take_in(process.handle())?;
            process.resume()
        });
        if let Err(error) = marked {
            child.kill().and_then(|()| child.wait())?;
            return Err(error);
        }
        Ok(child)
    }

    /// What is alive and bears it.
    pub(super) fn bearers(&self) -> io::Result<Herd> {
        Herd::members(&self.0)
    }
}

/// A harness leads a console group from its start.
pub(super) fn in_front(command: &mut Command) -> &mut Command {
    command
}

/// Stops a harness, or lets it go on.
pub(super) fn strike(harness: &Child, blow: Blow) -> io::Result<()> {
    strike_process(&Process::of(harness)?, blow)
}

/// Whether a harness that was told to die in this way has done so.
pub(crate) fn has_died_so(how: Death, status: ExitStatus) -> bool {
    let code = status.code();
    match how {
        Death::Panic => code == Some(PANICKED),
        Death::Exit | Death::Return => code == Some(0),
        // The code is that of an exception, or of abort(3), by how the program was built.
        Death::Abort | Death::Eat => code != Some(0),
    }
}

/// No process leads a session of its own.
pub(super) fn lead_session() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Has this process die without asking anybody.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn die_quietly() -> io::Result<()> {
    console::die_quietly();
    Ok(())
}
