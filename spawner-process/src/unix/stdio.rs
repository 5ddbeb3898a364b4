//! Opens the standard streams of a task, all in the harness, so that errors are known before the start.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::termios::{Winsize, tcsetwinsize};
use spawner_core::stream::{open_input, open_output};
use spawner_core::{Error, Input, Logs, Output, Result, TaskSpec, WindowSize};

use super::pty;

/// The harness's ends of a task's streams.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) terminal: Option<OwnedFd>,
}

/// The task's ends of its streams: 0, 1 and 2.
pub(crate) struct Streams {
    pub(crate) task: Vec<OwnedFd>,
    /// Which of them is the terminal, if any is.
    pub(crate) terminal: Option<u8>,
    pub(crate) ends: Ends,
}

/// Opens them as the specification says.
pub(crate) fn open(spec: &TaskSpec, logs: &Logs) -> Result<Streams> {
    let mut ends = Ends::default();
    let mut slave = None;
    if spec.wants_terminal() {
        let (near, far) =
            terminal(spec.window).map_err(|source| Error::io("open", "a pseudo-terminal", source))?;
        ends.terminal = Some(near);
        slave = Some(far);
    }
    let share = |far: &Option<OwnedFd>| match far {
        Some(far) => far.try_clone(),
        None => Err(io::ErrorKind::InvalidInput.into()),
    };
    let failed = |what: &'static str| move |source| Error::io("open", what, source);
    let stdin = match &spec.stdin {
        Input::Inherit => own(rustix::stdio::stdin()),
        Input::Null => null(),
        Input::File(path) => Ok(open_input(path)?.into()),
        Input::Stream => pipe().map(|(reader, writer)| {
            ends.stdin = Some(writer);
            reader
        }),
        Input::Terminal => share(&slave),
    };
    let stdin = stdin.map_err(failed("the standard input of the task"))?;
    let kept = |log: &Option<PathBuf>| log.clone().unwrap_or_default();
    let (log, share) = (kept(&logs.stdout), || share(&slave));
    let stdout = output(&spec.stdout, rustix::stdio::stdout(), &mut ends.stdout, share, &log)?;
    let log = kept(&logs.stderr);
    let stderr = output(&spec.stderr, rustix::stdio::stderr(), &mut ends.stderr, share, &log)?;
    let terminals =
        [spec.stdin == Input::Terminal, spec.stdout == Output::Terminal, spec.stderr == Output::Terminal];
    let terminal = (0u8..).zip(terminals).find_map(|(number, is)| is.then_some(number));
    Ok(Streams { task: vec![stdin, stdout, stderr], terminal, ends })
}

fn output(
    wanted: &Output,
    inherited: BorrowedFd<'_>,
    end: &mut Option<OwnedFd>,
    terminal: impl Fn() -> io::Result<OwnedFd>,
    log: &Path,
) -> Result<OwnedFd> {
    let opened = match wanted {
        Output::Inherit => own(inherited),
        Output::Null => null(),
        Output::File { path, append } => return Ok(open_output(path, *append)?.into()),
        Output::Stream => pipe().map(|(reader, writer)| {
            *end = Some(reader);
            writer
        }),
        Output::Terminal => terminal(),
        Output::Log => return keep(log),
    };
    opened.map_err(|source| Error::io("open", "an output stream of the task", source))
}

/// A copy of a stream of the harness's; where that is closed, nothing.
fn own(stream: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    match stream.try_clone_to_owned() {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => null(),
        other => other,
    }
}

fn null() -> io::Result<OwnedFd> {
    Ok(OpenOptions::new().read(true).write(true).open("/dev/null")?.into())
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}

/// A file beside the record, for this user's eyes only; whoever writes to it appends.
fn keep(path: &Path) -> Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.create_new(true).append(true).mode(0o600);
    let opened = options.open(path);
    Ok(opened
        .map_err(|source| Error::io("keep the task's output in", path.display().to_string(), source))?
        .into())
}

fn terminal(size: Option<WindowSize>) -> io::Result<(OwnedFd, OwnedFd)> {
    let (near, far) = pty::open()?;
    resize(near.as_fd(), size.unwrap_or(WindowSize { rows: 24, columns: 80 }))?;
    Ok((near, far))
}

/// Sets the size of a pseudo-terminal.
pub(crate) fn resize(terminal: BorrowedFd<'_>, size: WindowSize) -> io::Result<()> {
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(terminal, size)?)
}
