//! What ends the tasks of a harness that dies.
//!
//! A helper process of role `process-group`, started with the first task, is told of each one before it is started. When its
//! socket ends, or its harness is dead, it kills what it finds of them, and closes the records of those of which nothing is
//! left to be seen. One that is killed is replaced, and told all that is known.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use spawner_core::journal::Page;
use spawner_core::lifeline::{self, Role, Told};
use spawner_core::{ProcessIdentity, TaskId};

use super::herd::Herd;
use super::{look, strike};

const ROLE: Role = Role { name: "process-group", thread: "spawner-watch", hook: take_over };

/// How long the helper goes on killing what does not end, or appears again and again.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it waits between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// Takes a freshly executed copy of the harness over, where it was started to be this helper.
#[ctor::ctor(unsafe)]
fn take_over() {
    lifeline::take_over(ROLE.name, |socket| lifeline::serve(c"spawner-watch", socket, end_all));
}

/// What the helper is told of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Charge {
    /// Its main process, once it was started.
    pub(super) leader: Option<ProcessIdentity>,
    /// The file of its record.
    pub(super) page: Option<PathBuf>,
}

/// One harness's helper.
pub(super) type Watcher = lifeline::Keep<(), Charge>;

pub(super) fn new() -> Watcher {
    Watcher::new(ROLE, ())
}

async fn end_all(told: Told<(), Charge>) {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = PAUSE.0;
    let mut left: Vec<(TaskId, Charge, Herd)> =
        told.charges.into_iter().map(|(id, charge)| (id, charge, Herd::default())).collect();
    while !left.is_empty() && Instant::now() < deadline {
        left.retain_mut(|(id, charge, herd)| !is_ended(*id, charge, herd));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Kills what is there; says whether nothing was. Its record is closed then, for whoever looks with less cannot learn more.
fn is_ended(id: TaskId, charge: &Charge, herd: &mut Herd) -> bool {
    // Its harness has held the pid of the main process until just now.
    let Ok(living) = look::look(herd, id, charge.leader.as_ref(), true) else { return false };
    strike::signal(herd, &living, &[Signal::KILL]);
    if !living.is_empty() {
        return false;
    }
    // One that cannot be closed is found by the next sweep.
    charge.page.as_ref().is_none_or(|page| Page::at(page).close().is_ok())
}
