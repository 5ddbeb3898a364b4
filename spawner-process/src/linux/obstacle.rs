//! Turns what kept a task from being started into an error that says what was attempted and what would help.

use std::io;

use spawner_core::{Error, TaskSpec};

use crate::linux::words::{Obstacle, Step};
use crate::unix::not_executed::not_executed;

pub(crate) fn error(obstacle: &Obstacle, spec: &TaskSpec) -> Error {
    let source = io::Error::from_raw_os_error(obstacle.errno);
    let program = spec.argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let detail = obstacle.detail.clone();
    match obstacle.step {
        Step::Execute => not_executed(obstacle.errno, program, spec),
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
