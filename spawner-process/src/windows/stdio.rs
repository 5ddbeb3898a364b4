//! Opens the standard streams of a task, so that errors are known before the start.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::io::{AsHandle as _, AsRawHandle, BorrowedHandle, OwnedHandle};

use spawner_core::stream::{open_input, open_output};
use spawner_core::{Error, ErrorKind, Input, Output, Result, TaskSpec};

use super::handle::copy;
use super::pipe::{Way, pipe};

/// The harness's ends of a task's streams.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) stdin: Option<OwnedHandle>,
    pub(super) stdout: Option<OwnedHandle>,
    pub(super) stderr: Option<OwnedHandle>,
}

/// The task's ends, and the harness's.
pub(super) struct Streams {
    task: [OwnedHandle; 3],
    pub(super) ends: Ends,
}

impl Streams {
    /// Opens them as the specification says. No other child of the harness inherits any.
    pub(super) fn open(spec: &TaskSpec) -> Result<Self> {
        let mut ends = Ends::default();
        let stdin = match &spec.stdin {
            Input::Inherit => own(&io::stdin()),
            Input::Null => null(),
            Input::File(path) => Ok(open_input(path)?.into()),
            Input::Stream => pipe(Way::ToTask).map(|(near, far)| {
                ends.stdin = Some(near);
                far
            }),
            Input::Terminal => return Err(refused()),
        };
        let stdin = stdin.map_err(|source| Error::io("open", "the standard input of the task", source))?;
        let stdout = output(&spec.stdout, own(&io::stdout()), &mut ends.stdout)?;
        let stderr = output(&spec.stderr, own(&io::stderr()), &mut ends.stderr)?;
        Ok(Self { task: [stdin, stdout, stderr], ends })
    }

    /// The task's ends as a child may inherit them. To be kept for no longer than the birth takes: a child that
    /// somebody else starts meanwhile without a list of handles would inherit them, too.
    pub(super) fn inheritable(&self) -> io::Result<[OwnedHandle; 3]> {
        let [stdin, stdout, stderr] = self.task.each_ref().map(|stream| copy(stream.as_handle(), true));
        Ok([stdin?, stdout?, stderr?])
    }
}

fn output(
    wanted: &Output,
    inherited: io::Result<OwnedHandle>,
    end: &mut Option<OwnedHandle>,
) -> Result<OwnedHandle> {
    let opened = match wanted {
        Output::Inherit => inherited,
        Output::Null => null(),
        Output::File { path, append } => return Ok(open_output(path, *append)?.into()),
        Output::Stream => pipe(Way::FromTask).map(|(near, far)| {
            *end = Some(near);
            far
        }),
        Output::Terminal | Output::Log => return Err(refused()),
    };
    opened.map_err(|source| Error::io("open", "an output stream of the task", source))
}

/// Core refuses these before, by the capabilities.
fn refused() -> Error {
    Error::new(ErrorKind::InvalidSpec, "open", "a stream of the task")
        .because("this backend has neither terminals nor kept output on Windows")
}

/// A copy of a stream of the harness's; where it has none, nothing.
#[allow(unsafe_code, reason = "the standard library lends its handle, which may be none")]
fn own(stream: &impl AsRawHandle) -> io::Result<OwnedHandle> {
    let handle = stream.as_raw_handle();
    if handle.is_null() {
        return null();
    }
    // SAFETY: the process's standard handles stay open; nobody closes them but on purpose.
    copy(unsafe { BorrowedHandle::borrow_raw(handle) }, false)
}

fn null() -> io::Result<OwnedHandle> {
    Ok(OpenOptions::new().read(true).write(true).open("NUL")?.into())
}
