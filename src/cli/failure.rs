//! Why the program itself failed.

use std::io;

use super::{say, status};

/// What to say, and the status to exit with.
#[derive(Debug)]
pub(crate) struct Failure {
    message: Option<String>,
    pub(crate) status: i32,
}

impl Failure {
    /// A failure of the program itself.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), status: status::FAILED }
    }

    /// One about which there is nobody to tell.
    pub(crate) fn silent(status: i32) -> Self {
        Self { message: None, status }
    }

    /// Writing to standard output failed. Where nobody reads it any more, there is nothing to say.
    pub(crate) fn stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(status::BROKEN_PIPE);
        }
        spawner::Error::io("write to", "standard output", error).into()
    }

    /// Adds a sentence.
    pub(crate) fn and(mut self, more: &str) -> Self {
        if let Some(message) = &mut self.message {
            message.push_str("; ");
            message.push_str(more);
        }
        self
    }

    /// Says it.
    pub(crate) fn say(&self) {
        if let Some(message) = &self.message {
            say::say(message);
        }
    }
}

impl From<spawner::Error> for Failure {
    fn from(error: spawner::Error) -> Self {
        let status = status::of_error(&error);
        let mut message = error.to_string();
        if let Some(cleanup) = error.cleanup().filter(|cleanup| !cleanup.is_clean()) {
            message.push('\n');
            message.push_str(&cleanup.to_string());
        }
        Self { message: Some(message), status }
    }
}
