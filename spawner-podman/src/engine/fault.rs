//! What goes wrong between us and the engine, in our words and the engine's own.

use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::io;

use bollard::errors::Error as Told;
use spawner_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};

/// An answer of the engine that is a refusal.
#[derive(Debug)]
struct Answer {
    who: &'static str,
    status: u16,
    message: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.trim() {
            "" => write!(f, "{} answered with status {} and no word of why", self.who, self.status),
            message => write!(f, "{} reported: {message}", self.who),
        }
    }
}

impl std::error::Error for Answer {}

/// The HTTP status of the engine's answer, where it was a refusal.
pub(crate) fn status(error: &Error) -> Option<u16> {
    error.source()?.downcast_ref::<Answer>().map(|answer| answer.status)
}

/// Whether the engine refused because the image is not there.
pub(crate) fn is_image_missing(error: &Error) -> bool {
    let answer = error.source().and_then(|source| source.downcast_ref::<Answer>());
    answer.is_some_and(|answer| matches(&answer.message, IMAGE_MISSING))
}

/// Whether the engine refused because there is no such container, volume or session.
pub(super) fn is_absent(error: &Error) -> bool {
    let answer = error.source().and_then(|source| source.downcast_ref::<Answer>());
    // podman answers with 500 where a thing goes between two of its looks.
    answer.is_some_and(|answer| answer.status == 404 || matches(&answer.message, ABSENT))
}

/// Waits for a call until its deadline.
pub(super) async fn timed<T>(
    who: &'static str,
    by: Instant,
    operation: &'static str,
    subject: &str,
    call: impl Future<Output = Result<T, Told>>,
) -> Result<T> {
    match timeout_at(by, call).await {
        Ok(result) => result.map_err(|error| told(who, operation, subject, error)),
        Err(_) => Err(too_late(who, operation, subject)),
    }
}

/// Our error for a deadline that passed.
pub(super) fn too_late(who: &'static str, operation: &'static str, subject: &str) -> Error {
    Error::new(ErrorKind::TimedOut, operation, subject).because(format!("{who} did not answer in time"))
}

/// Our error for one of the client.
pub(super) fn told(who: &'static str, operation: &'static str, subject: &str, error: Told) -> Error {
    match error {
        Told::DockerResponseServerError { status_code, message } => {
            let (kind, hint) = meant(status_code, &message);
            with(
                Error::new(kind, operation, subject).because(Answer { who, status: status_code, message }),
                hint,
            )
        }
        Told::DockerStreamError { error } => {
            let (kind, hint) = meant(500, &error);
            with(
                Error::new(kind, operation, subject).because(Answer { who, status: 500, message: error }),
                hint,
            )
        }
        Told::IOError { err } => unreached(operation, subject, err),
        Told::HyperResponseError { err } if is_garbled(&err) => garbled(who, operation, subject, &err),
        Told::HyperResponseError { err } => {
            let source = err.source().map(|source| format!(" ({source})")).unwrap_or_default();
            Error::new(ErrorKind::Unavailable, operation, subject)
                .because(format!("{who} hung up before it had answered: {err}{source}"))
        }
        Told::RequestTimeoutError => too_late(who, operation, subject),
        other => garbled(who, operation, subject, &other),
    }
}

/// Whether it is no HTTP that came, rather than nothing more.
fn is_garbled(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    error.is_parse() || matches!(source, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

fn garbled(who: &'static str, operation: &'static str, subject: &str, error: &dyn fmt::Display) -> Error {
    Error::new(ErrorKind::Io, operation, subject)
        .because(format!("what {who} answered cannot be understood: {error}"))
}

fn unreached(operation: &'static str, subject: &str, error: io::Error) -> Error {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => (
            ErrorKind::Unavailable,
            Some(
                "no engine listens there: `podman system service --time=0 ADDRESS`, `systemctl start podman.socket` or `systemctl start docker` starts one",
            ),
        ),
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Denied,
            Some("this user may not use that socket: use podman's own of this user, or ask for access"),
        ),
        io::ErrorKind::InvalidData => (ErrorKind::Io, None),
        io::ErrorKind::OutOfMemory | io::ErrorKind::StorageFull | io::ErrorKind::Other
            if error.raw_os_error().is_some() =>
        {
            return Error::io(operation, subject, error);
        }
        _ => (ErrorKind::Unavailable, None),
    };
    with(Error::new(kind, operation, subject).because(error), hint)
}

fn with(error: Error, hint: Option<&'static str>) -> Error {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

type Words = &'static [&'static str];

const IMAGE_MISSING: Words = &["no such image", "image not known", "unable to find image"];
const ABSENT: Words = &[
    "no such container",
    "no such volume",
    "no such exec",
    "does not exist in database",
    "container has already been removed",
];

/// What the words of both engines mean, of podman with runc and with crun; the first that matches counts.
const MEANINGS: &[(Words, ErrorKind, Option<&str>)] = &[
    (
        IMAGE_MISSING,
        ErrorKind::Config,
        Some(
            "have it fetched with the pull policy `missing`, fetch it with `podman pull IMAGE`, or see `podman images`",
        ),
    ),
    (&["name is already in use", "is already in use by"], ErrorKind::Taken, None),
    (
        &["no space left on device", "disk quota exceeded"],
        ErrorKind::Exhausted,
        Some("the disk of the engine is full: see `podman system df`, and `podman image prune`"),
    ),
    (
        &["executable file not found", "executable file `", "command that was not found", "\": stat /"],
        ErrorKind::ProgramNotFound,
        None,
    ),
    (
        &["permission denied: oci permission denied", "\": permission denied", "exec format error"],
        ErrorKind::NotExecutable,
        None,
    ),
    (
        &[
            "unable to find user",
            "unable to find group",
            "no matching entries in passwd",
            "no matching entries in group",
        ],
        ErrorKind::Config,
        Some("the image has no such user: name one by its number"),
    ),
    (
        &["network not found", "unable to find network", "no such network"],
        ErrorKind::Config,
        Some("see `podman network ls`"),
    ),
    (
        &["bind source path does not exist", "statfs "],
        ErrorKind::InvalidSpec,
        Some("what is mounted must be there"),
    ),
    (
        &["cgroups in hybrid mode not supported"],
        ErrorKind::Unavailable,
        Some("crun needs pure cgroup v2: set runtime = \"runc\" in the [engine] part of containers.conf"),
    ),
    (
        &["rlimit"],
        ErrorKind::Unavailable,
        Some(
            "the engine may not raise limits: set default_ulimits in the [containers] part of containers.conf",
        ),
    ),
    (
        &["too many open files", "resource temporarily unavailable", "cannot allocate memory"],
        ErrorKind::Exhausted,
        None,
    ),
];

fn meant(status: u16, message: &str) -> (ErrorKind, Option<&'static str>) {
    if let Some((_, kind, hint)) = MEANINGS.iter().find(|(words, ..)| matches(message, words)) {
        return (*kind, *hint);
    }
    let kind = match status {
        400 => ErrorKind::InvalidSpec,
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::UnknownTask,
        502..=504 => ErrorKind::Unavailable,
        _ if matches(message, ABSENT) => ErrorKind::UnknownTask,
        _ => ErrorKind::Io,
    };
    (kind, None)
}

fn matches(message: &str, words: Words) -> bool {
    let message = message.to_lowercase();
    words.iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status_code: u16, message: &str) -> ErrorKind {
        told(
            "podman",
            "start container",
            "c",
            Told::DockerResponseServerError { status_code, message: message.into() },
        )
        .kind()
    }

    #[test]
    fn the_words_of_both_engines_are_understood() {
        let exec = "runc: runc create failed: unable to start container process: exec: ";
        for (status, message, meant) in [
            (404, "no such image: localhost/nope:latest: image not known", ErrorKind::Config),
            (404, "No such image: nope:latest", ErrorKind::Config),
            (
                500,
                "container create: creating container storage: the container name \"a\" is already in use by b. You have to remove that container to be able to reuse that name: that name is already in use",
                ErrorKind::Taken,
            ),
            (
                409,
                "Conflict. The container name \"/a\" is already in use by container \"b\".",
                ErrorKind::Taken,
            ),
            (
                500,
                &format!(
                    "{exec}\"/nope\": stat /nope: no such file or directory: OCI runtime attempted to invoke a command that was not found"
                ),
                ErrorKind::ProgramNotFound,
            ),
            (
                500,
                &format!(
                    "{exec}\"nope\": executable file not found in $PATH: OCI runtime attempted to invoke a command that was not found"
                ),
                ErrorKind::ProgramNotFound,
            ),
            (
                400,
                &format!(
                    "failed to create shim task: OCI runtime create failed: {exec}\"nope\": executable file not found in $PATH: unknown"
                ),
                ErrorKind::ProgramNotFound,
            ),
            (
                500,
                "crun: executable file `nope` not found in $PATH: No such file or directory",
                ErrorKind::ProgramNotFound,
            ),
            (
                500,
                &format!("{exec}\"/etc/passwd\": permission denied: OCI permission denied"),
                ErrorKind::NotExecutable,
            ),
            (400, &format!("{exec}\"/etc/passwd\": permission denied: unknown"), ErrorKind::NotExecutable),
            (500, "write /var/lib/x: no space left on device", ErrorKind::Exhausted),
            (404, "no container with name or ID \"a\" found: no such container", ErrorKind::UnknownTask),
            (500, "container a does not exist in database: no such container", ErrorKind::UnknownTask),
            (500, "something else", ErrorKind::Io),
        ] {
            assert_eq!(kind(status, message), meant, "{message}");
        }
    }

    #[test]
    fn an_error_has_the_engine_s_own_words_and_what_would_help() {
        let answer = Told::DockerResponseServerError { status_code: 404, message: "no such image: a".into() };
        let error = told("podman", "create container", "spawner-1", answer);
        assert!(is_image_missing(&error) && status(&error) == Some(404));
        let text = error.to_string();
        assert!(
            text.starts_with("cannot create container spawner-1: podman reported: no such image: a ("),
            "{text}"
        );
        assert!(text.contains("podman pull"), "{text}");
    }

    #[test]
    fn a_refusal_without_a_word_says_its_status() {
        let answer = Told::DockerResponseServerError { status_code: 502, message: "\n".into() };
        let error = told("podman", "remove container", "a", answer);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("status 502"), "{error}");
    }
}
