//! The embedder's ends of a task's standard streams.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Result};
use crate::spec::WindowSize;

/// A readable stream of a task. It ends at the end of file; or, where something that the task left
/// behind still holds the other end, once the main process has ended, the linger is over and everything
/// written so far was read.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// A writable stream into a task. Dropping it is the end of file for the task.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// The embedder's ends of those standard streams that the specification asked for as a stream or a
/// terminal. They can be taken once.
#[derive(Default)]
pub struct TaskStreams {
    /// Into the task's standard input.
    pub stdin: Option<Writer>,
    /// From the task's standard output.
    pub stdout: Option<Reader>,
    /// From the task's standard error.
    pub stderr: Option<Reader>,
    /// The near end of the task's pseudo-terminal.
    pub terminal: Option<Terminal>,
}

/// The near end of a task's pseudo-terminal.
pub struct Terminal {
    /// What the task writes to its terminal.
    pub reader: Reader,
    /// What the task reads from its terminal.
    pub writer: Writer,
    /// Changes its size.
    pub control: Box<dyn TerminalControl>,
}

/// What can be done to a pseudo-terminal besides reading and writing.
pub trait TerminalControl: Send + Sync {
    /// Tells the task that its terminal has a new size (it gets SIGWINCH).
    fn resize(&self, size: WindowSize) -> Result<()>;
}

/// Opens the file that a task reads from, as [`Input::File`](crate::Input::File) says. For backends.
pub fn open_input(path: &Path) -> Result<File> {
    let failed = |source| Error::io("open for the task's input", path.display().to_string(), source);
    File::open(path).map_err(failed)
}

/// Opens the file that a task writes to, as [`Output::File`](crate::Output::File) says. For backends.
pub fn open_output(path: &Path, append: bool) -> Result<File> {
    let failed = |source| Error::io("open for the task's output", path.display().to_string(), source);
    let mut options = OpenOptions::new();
    options.create(true).write(true).append(append).truncate(!append).open(path).map_err(failed)
}

impl fmt::Debug for TaskStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskStreams")
            .field("stdin", &self.stdin.is_some())
            .field("stdout", &self.stdout.is_some())
            .field("stderr", &self.stderr.is_some())
            .field("terminal", &self.terminal.is_some())
            .finish()
    }
}
