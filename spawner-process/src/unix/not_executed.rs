//! Why the program of a task was not executed, and what would help.

use std::io;
use std::path::Path;

use spawner_core::{Error, ErrorKind, TaskSpec};

/// The error of execve(2) in words: `errno` is what it gave, and `program` what was to be executed.
pub(crate) fn not_executed(errno: i32, program: String, spec: &TaskSpec) -> Error {
    let source = io::Error::from_raw_os_error(errno);
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
