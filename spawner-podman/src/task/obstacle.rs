//! Says what an engine's refusal to start a task is about: the engine speaks of its container.

use std::path::Path;

use spawner_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::wish::Wish;
use crate::engine::Engine;

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
            no_folder(wish.cwd.as_deref().unwrap_or_default()).because(error)
        }
        _ => error,
    }
}

/// Docker makes a working directory that the image does not have, with the container; that is an error with all others.
/// Below a mounted folder, which is not there yet, it cannot be told.
pub(super) async fn made_folder(engine: &Engine, id: &str, wish: &Wish, by: Instant) -> Result<()> {
    let Some(cwd) = wish.cwd.as_deref() else { return Ok(()) };
    let mounted = wish.volumes.iter().any(|volume| Path::new(cwd).starts_with(&volume.container));
    if mounted || !engine.added(id, by).await?.iter().any(|path| path == Path::new(cwd)) {
        return Ok(());
    }
    Err(no_folder(cwd).because("the image has no such folder"))
}

fn no_folder(path: &str) -> Error {
    Error::new(ErrorKind::Io, "enter the working directory", path).hint("it must be there in the container")
}
