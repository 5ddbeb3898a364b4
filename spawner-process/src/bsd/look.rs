//! A look at the process table, for the members of one task.

use std::io;

use spawner_core::processes::{self, Entry, has_variable};
use spawner_core::{ProcessIdentity, TaskId};

use super::herd::{Herd, Marks};
use crate::unix::MARK;

/// Who runs of a task now. `unreaped` as in [`Marks`].
pub(super) fn look(
    herd: &mut Herd,
    id: TaskId,
    leader: Option<&ProcessIdentity>,
    unreaped: bool,
) -> io::Result<Vec<Entry>> {
    let all = processes::all()?;
    let (own, mark) = (std::process::id(), id.to_string());
    let own_session = all.iter().find(|entry| entry.pid == own).map_or(0, |entry| entry.session);
    // Of whom the system says nothing, nothing is known.
    let bears = |pid| processes::environment(pid).is_ok_and(|found| has_variable(&found, MARK, &mark));
    Ok(herd.see(&all, &Marks { leader, unreaped, bears: &bears, own, own_session }))
}
