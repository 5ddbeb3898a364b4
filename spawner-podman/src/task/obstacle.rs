//! Says what an engine's refusal to start a task is about: the engine speaks of its container.

use spawner_core::{Error, ErrorKind};

use super::wish::Wish;

/// What the refusal of the container `wish` is about, where that can be told.
pub(super) fn explain(error: Error, wish: &Wish) -> Error {
    let said = error.to_string();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let program = wish.argv.first().cloned().unwrap_or_default();
    if says(&["rgument list too long"]) {
        return Error::new(ErrorKind::NotExecutable, "execute", program).because(error).hint(
            "arguments and environment together are too long, or one of them is: see `getconf ARG_MAX`",
        );
    }
    match error.kind() {
        ErrorKind::ProgramNotFound => Error::new(ErrorKind::ProgramNotFound, "execute", program)
            .because(error)
            .hint("it must be in the container"),
        ErrorKind::NotExecutable => Error::new(ErrorKind::NotExecutable, "execute", program).because(error),
        ErrorKind::Io | ErrorKind::UnknownTask if says(&["workdir", "chdir to cwd"]) => {
            let folder = wish.cwd.clone().unwrap_or_default();
            Error::new(ErrorKind::Io, "enter the working directory", folder)
                .because(error)
                .hint("it must be there in the container")
        }
        _ => error,
    }
}
