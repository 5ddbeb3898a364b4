//! Turns what kept a task from being started into an error that says what was attempted and what would help.

use std::io;
use std::path::Path;

use spawner_core::{Error, ErrorKind, TaskSpec};

use crate::words::{Obstacle, Step};

pub(crate) fn error(obstacle: &Obstacle, spec: &TaskSpec) -> Error {
    let source = io::Error::from_raw_os_error(obstacle.errno);
    let program = spec.argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let detail = obstacle.detail.clone();
    match obstacle.step {
        Step::Execute => execute(obstacle.errno, program, spec, source),
        Step::Folder => {
            let denied = obstacle.errno == libc::EACCES;
            let error = Error::io("enter the working directory", detail, source);
            if denied {
                error.hint("this account may not search it, or a folder on the way to it")
            } else {
                error
            }
        }
        Step::Group => Error::io("make a control group", "for the task", source)
            .because(detail)
            .hint("is cgroup.max.descendants reached? the mechanism `subreaper` needs no control group"),
        Step::Limits => Error::io("limit", "the task", source).because(detail),
        Step::Join => Error::io("join the control group", detail, source),
        Step::Streams => Error::io("set up the standard streams of", program, source),
        Step::Session => Error::io("set up a session for", program, source),
        Step::Namespace if source.kind() == io::ErrorKind::WouldBlock => {
            Error::io("make a pid namespace for", program, source)
        }
        Step::Namespace => Error::io("make a pid namespace for", program, source)
            .hint("`spawner doctor` tells whether this host allows it"),
        Step::Fork => Error::io("start a process for", program, source),
    }
}

fn execute(errno: i32, program: String, spec: &TaskSpec, source: io::Error) -> Error {
    let by_path = program.contains('/');
    let found = spec.cwd.as_deref().unwrap_or(Path::new("")).join(&program);
    let new = |kind| Error::new(kind, "execute", program.clone());
    match errno {
        libc::ENOENT if by_path && found.exists() => new(ErrorKind::ProgramNotFound)
            .because(source)
            .hint("the file is there; the interpreter or loader that it names is not"),
        libc::ENOENT | libc::ENOTDIR if by_path => new(ErrorKind::ProgramNotFound).because(source),
        libc::ENOENT | libc::ENOTDIR => new(ErrorKind::ProgramNotFound)
            .because(source)
            .hint("it is in no folder of the task's PATH that this account may search"),
        libc::EACCES if by_path && found.is_dir() => new(ErrorKind::NotExecutable).because("it is a folder"),
        libc::EACCES => new(ErrorKind::NotExecutable).because(source).hint(
            "is its execute permission set, and may this account search every folder on the way to it?",
        ),
        libc::E2BIG => new(ErrorKind::NotExecutable).because(source).hint(
            "arguments and environment together are too long, or one of them is: see `getconf ARG_MAX`",
        ),
        libc::ENOMEM | libc::EAGAIN | libc::EMFILE | libc::ENFILE => Error::io("execute", program, source),
        _ => new(ErrorKind::NotExecutable).because(source),
    }
}
