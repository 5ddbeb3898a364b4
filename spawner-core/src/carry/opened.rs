//! Where the three streams of a task lead in the harness. Files are opened before anything is made, so that an error
//! leaves nothing.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Error, Result};
use crate::spec::{Input, Output, TaskSpec};
use crate::stream::{open_input, open_output};
use rustix::fs::{FileType, fstat};

/// Where standard input comes from.
#[derive(Debug)]
pub enum Source {
    /// There is none.
    Nothing,
    /// From the embedder.
    Embedder,
    /// A file, or our own standard input.
    File(File),
}

/// Where an output stream goes.
#[derive(Debug)]
pub enum Target {
    /// Nowhere in the harness.
    Nothing,
    /// To the embedder.
    Embedder,
    /// A file, or a stream of our own.
    File(File),
}

/// All three.
#[derive(Debug)]
pub struct Opened {
    /// Standard input.
    pub input: Source,
    /// Standard output and standard error.
    pub outputs: [Target; 2],
    /// Whether they are a terminal's.
    pub terminal: bool,
}

/// Opens them as the specification says.
pub fn open(spec: &TaskSpec) -> Result<Opened> {
    let input = match &spec.stdin {
        Input::Null => Source::Nothing,
        Input::Stream | Input::Terminal => Source::Embedder,
        Input::Inherit => own(rustix::stdio::stdin())?.map_or(Source::Nothing, Source::File),
        Input::File(path) => Source::File(open_input(path)?),
    };
    let outputs =
        [output(&spec.stdout, rustix::stdio::stdout())?, output(&spec.stderr, rustix::stdio::stderr())?];
    Ok(Opened { input, outputs, terminal: spec.wants_terminal() })
}

impl Opened {
    /// Whether anything goes in.
    pub fn has_input(&self) -> bool {
        !matches!(self.input, Source::Nothing)
    }

    /// Whether there is anything to carry.
    pub fn is_needed(&self) -> bool {
        self.has_input() || self.outputs.iter().any(|output| !matches!(output, Target::Nothing))
    }
}

fn output(wanted: &Output, inherited: BorrowedFd<'_>) -> Result<Target> {
    match wanted {
        // What is kept is kept where the task runs.
        Output::Null | Output::Log => Ok(Target::Nothing),
        Output::Stream | Output::Terminal => Ok(Target::Embedder),
        Output::Inherit => Ok(own(inherited)?.map_or(Target::Nothing, Target::File)),
        Output::File { path, append } => Ok(Target::File(open_output(path, *append)?)),
    }
}

/// A copy of a stream of ours; `None` where that is closed or leads nowhere.
fn own(stream: BorrowedFd<'_>) -> Result<Option<File>> {
    match stream.try_clone_to_owned() {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BADF.raw_os_error()) => Ok(None),
        Ok(stream) if is_null(&stream) => Ok(None),
        other => other
            .map(|stream| Some(stream.into()))
            .map_err(|source| Error::io("share", "a standard stream with the task", source)),
    }
}

fn is_null(stream: impl AsFd) -> bool {
    let null = rustix::fs::stat("/dev/null");
    fstat(stream).is_ok_and(|own| {
        FileType::from_raw_mode(own.st_mode) == FileType::CharacterDevice
            && null.is_ok_and(|null| null.st_rdev == own.st_rdev)
    })
}
