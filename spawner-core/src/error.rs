//! The one error type.

use std::borrow::Cow;
use std::fmt;

use crate::capability::Capability;
use crate::cleanup::CleanupOutcome;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: what was attempted, on what, why, what would help, and whether to try again.
///
/// The message is one lower-case fragment without a full stop; [`std::error::Error::source`] gives
/// the cause, which is part of the message already.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    operation: Cow<'static, str>,
    subject: String,
    kind: ErrorKind,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    hint: Option<Cow<'static, str>>,
    retry: bool,
    cleanup: Option<CleanupOutcome>,
}

/// The kinds of failure that a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The program of the task does not exist.
    ProgramNotFound,
    /// The program of the task is there and cannot be executed.
    NotExecutable,
    /// The specification makes no sense: empty argv, NUL in an argument.
    InvalidSpec,
    /// The backend does not support what was asked for, and refused before anything was started.
    Unsupported(Capability),
    /// The host has no more of something: descriptors, processes, memory, disk space.
    Exhausted,
    /// The operating system or the far end forbids it.
    Denied,
    /// The backend does not answer now.
    Unavailable,
    /// The backend does not know the task.
    UnknownTask,
    /// It was there once and has been taken already.
    Taken,
    /// A deadline passed.
    TimedOut,
    /// What watched the task is gone, so nobody can say any more.
    Lost,
    /// The configuration is wrong.
    Config,
    /// An input or output error of another kind.
    Io,
}

impl Error {
    /// A failure to do `operation` (a verb phrase, such as "open the report") on `subject`.
    pub fn new(kind: ErrorKind, operation: impl Into<Cow<'static, str>>, subject: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            operation: operation.into(),
            subject: subject.into(),
            kind,
            source: None,
            hint: None,
            retry: matches!(kind, ErrorKind::Exhausted | ErrorKind::Unavailable | ErrorKind::TimedOut),
            cleanup: None,
        }))
    }

    /// A failure of the operating system; its kind and hint follow from the error number.
    pub fn io(
        operation: impl Into<Cow<'static, str>>,
        subject: impl Into<String>,
        source: std::io::Error,
    ) -> Self {
        let (kind, hint) = classify(&source);
        let error = Self::new(kind, operation, subject).because(source);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what would help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds what became of the things that were already made when the operation failed.
    #[must_use]
    pub fn with_cleanup(mut self, cleanup: CleanupOutcome) -> Self {
        self.0.cleanup = Some(cleanup);
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was attempted.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// On what it was attempted.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What would help, where that is known.
    pub fn help(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retry
    }

    /// What became of the things that were already made when the operation failed.
    pub fn cleanup(&self) -> Option<&CleanupOutcome> {
        self.0.cleanup.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.0.operation)?;
        if !self.0.subject.is_empty() {
            write!(f, " {}", self.0.subject)?;
        }
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

fn classify(error: &std::io::Error) -> (ErrorKind, Option<&'static str>) {
    use std::io::ErrorKind as Io;
    // The errno names are the same numbers on every Unix that we build for.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match (error.kind(), error.raw_os_error()) {
        (_, Some(EMFILE)) if cfg!(unix) => {
            (ErrorKind::Exhausted, Some("this process has no file descriptors left: raise `ulimit -n`"))
        }
        (_, Some(ENFILE)) if cfg!(unix) => {
            (ErrorKind::Exhausted, Some("the host has no file descriptors left: see fs.file-max"))
        }
        (Io::WouldBlock, _) if cfg!(unix) => (
            ErrorKind::Exhausted,
            Some("the limit of processes is reached: see `ulimit -u`, and pids.max of the control group"),
        ),
        (Io::OutOfMemory, _) => (ErrorKind::Exhausted, Some("the host has no memory left")),
        (Io::StorageFull | Io::QuotaExceeded, _) => (ErrorKind::Exhausted, Some("the disk is full")),
        (Io::PermissionDenied, _) => (ErrorKind::Denied, None),
        (Io::TimedOut, _) => (ErrorKind::TimedOut, None),
        _ => (ErrorKind::Io, None),
    }
}
