//! Gets hold of tasks of other harnesses: of those that live, of those that died, and of nobody's.

use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::journal::{Account, Whose};
use spawner_core::{
    Error, ErrorKind, Evidence, Exit, Fate, ProcessIdentity, Result, Strength, Task, TaskId, TaskRecord,
    Teardown,
};
use tokio::time::Instant;

use super::evidence;
use super::keeper_link::{HEARING, KeeperLink, KeeperState};
use super::link::Link;
use super::live::Live;
use super::sweep::see_off_helpers;
use crate::linux::backend::ProcessSpawner;
use crate::linux::remains::Remains;
use crate::linux::words::{Order, Sight, Traces, Whereabouts};

/// How long a keeper may take to open its door before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(3);

impl ProcessSpawner {
    pub(crate) async fn recover(&self, record: &TaskRecord) -> Result<Task> {
        if let Some(task) = self.shared.tasks.known(record) {
            return Ok(task);
        }
        let stray = self.strays().remove(&record.id);
        if let Some(remains) = stray {
            let live = Live::new(record, Teardown::default().linger, None, remains, None);
            return Ok(self.shared.enter(record.clone(), live));
        }
        loop {
            let account = self.shared.journal.recall(crate::KIND, record.id)?;
            // A keeper that saw its task through while we were at the door has written down what it saw.
            if let Some(task) = self.bring_back(&account, record).await? {
                return Ok(task);
            }
        }
    }

    /// Whether more is on record than there was. A task ends once and is gone once, so this is soon over.
    fn has_news(&self, account: &Account) -> Result<bool> {
        let now = self.shared.journal.find(account.opening.record.id)?;
        Ok(now.is_none_or(|now| now.exit() != account.exit() || now.gone() != account.gone()))
    }

    /// `None` where there was news of it meanwhile. `given` is what the caller knows of it.
    async fn bring_back(&self, account: &Account, given: &TaskRecord) -> Result<Option<Task>> {
        let refused = |kind, why: &str| {
            Err(Error::new(kind, "recover task", given.id.to_string()).because(why.to_owned()))
        };
        let OnRecord { record, whereabouts, remains } = OnRecord::of(account, given)?;
        let (page, linger) = (Some(account.page.clone()), Teardown::default().linger);
        let nobody_s = |remains| Live::new(&record, linger, None, remains, page.clone());
        let enter = |live| Ok(Some(self.shared.enter(record.clone(), live)));
        let exit = account.exit().cloned();
        if let Some(sight) = account.gone() {
            let sight: Sight =
                serde_json::from_value(sight.clone()).map_err(|error| OnRecord::broken(record.id, error))?;
            let proof = evidence::of_sight(&sight, &record.mechanisms);
            return enter(nobody_s(remains).with_memo(exit, Some(proof)));
        }
        match account.whose() {
            Whose::OtherUser => return refused(ErrorKind::Denied, "it is another user's"),
            Whose::OtherHost => {
                return refused(
                    ErrorKind::Unavailable,
                    "it was started on another host, or in another container",
                );
            }
            Whose::OtherBoot => {
                return enter(nobody_s(remains).with_memo(Some(rebooted()), Some(of_reboot(&record))));
            }
            Whose::Living | Whose::Dead => {}
        }
        let doomed = account.is_for_a_sweep();
        let door = account.page.beside("door");
        let link = match knock(&whereabouts.keeper, &door).await? {
            Some(link) if is_admitted(&link).await => Some(link),
            _ => None,
        };
        match link {
            Some(link) => {
                // A start is noted just after it is told; by the time that a guest is heard, it is.
                let later = match account.started() {
                    Some(_) => None,
                    None => self.shared.journal.find(record.id)?,
                };
                let later = later.as_ref().unwrap_or(account);
                let OnRecord { record, remains, .. } = OnRecord::of(later, given)?;
                let live = Live::new(&record, linger, Some(Arc::new(link)), remains, page);
                Ok(Some(self.shared.enter(record, live)))
            }
            None if self.has_news(account)? => Ok(None),
            // It may be about to say all there is to say; or it is stuck, and ends with what it keeps.
            None if whereabouts.keeper.is_alive() && !doomed => {
                refused(ErrorKind::Unavailable, "its keeper does not answer").map_err(|error| {
                    error
                        .hint(format!("something may have stopped it: kill -CONT {}", whereabouts.keeper.pid))
                })
            }
            None => {
                if doomed {
                    see_off_helpers(&whereabouts).await?;
                }
                enter(nobody_s(remains).with_memo(exit, None))
            }
        }
    }

    pub(super) fn strays(&self) -> MutexGuard<'_, HashMap<TaskId, Remains>> {
        self.shared.strays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the journal says of a task, and where to look for it.
struct OnRecord {
    record: TaskRecord,
    whereabouts: Whereabouts,
    remains: Remains,
}

impl OnRecord {
    /// What the record does not say, the caller may know.
    fn of(account: &Account, given: &TaskRecord) -> Result<Self> {
        let mut record = account.record();
        let broken = |error| Self::broken(record.id, error);
        let whereabouts: Whereabouts =
            serde_json::from_value(account.opening.traces.clone()).map_err(broken)?;
        let traces = account.started().map(|traces| serde_json::from_value::<Traces>(traces.clone()));
        let init = traces.transpose().map_err(broken)?.and_then(|traces| traces.init);
        let (keeper, parent) = (whereabouts.keeper.clone(), whereabouts.group.clone());
        let remains = Remains { id: record.id, keeper, parent, init };
        if account.started().is_none() && given.id == record.id {
            record.leader.clone_from(&given.leader);
        }
        Ok(Self { record, whereabouts, remains })
    }

    fn broken(id: TaskId, source: serde_json::Error) -> Error {
        Error::new(ErrorKind::Io, "understand the record of task", id.to_string()).because(source)
    }
}

/// Nobody saw the end of what a reboot ended.
fn rebooted() -> Exit {
    Exit::Lost { why: "the machine went down while it ran".to_owned() }
}

/// The machine went down: the main process, and whatever else it was.
fn of_reboot(record: &TaskRecord) -> Evidence {
    let leader = record.leader.as_ref().map(|leader| Remains::leader(leader, None, Fate::AlreadyGone));
    let resources: Vec<_> = leader.iter().map(evidence::resource).collect();
    Evidence {
        mechanisms: record.mechanisms.clone(),
        strength: Strength::CannotMiss,
        total: resources.len(),
        resources,
        usage: None,
    }
}

/// Asks a keeper to open its door, and goes in. `None` where it is dead, or does not answer.
async fn knock(keeper: &ProcessIdentity, door: &Path) -> Result<Option<KeeperLink>> {
    let failed = |source| Error::io("talk to", format!("the keeper with pid {keeper}"), source);
    let Some(pid) = Pid::from_raw(keeper.pid.cast_signed()) else { return Ok(None) };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(None) };
    let deadline = Instant::now() + PATIENCE;
    // Only after the pidfd is had does the identity say whose it is.
    while keeper.is_alive() && Instant::now() < deadline {
        for signal in [Signal::USR1, Signal::CONT] {
            if pidfd_send_signal(&pidfd, signal).is_err() {
                return Ok(None);
            }
        }
        let until = (Instant::now() + Duration::from_millis(100)).min(deadline);
        while Instant::now() < until {
            if let Some(socket) = enter(door) {
                let link = Link::new(socket, KeeperState::default()).map_err(failed)?;
                return Ok(Some(KeeperLink::new(keeper.clone(), None, link)));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    Ok(None)
}

/// Whether the keeper heard us before it left: a connection alone may still be waiting at the door. One that
/// is stuck now may answer later.
async fn is_admitted(link: &KeeperLink) -> bool {
    let answered = tokio::time::timeout(HEARING, link.ask(Order::Members, Vec::new())).await;
    answered.is_err() || answered.is_ok_and(|reply| reply.is_ok())
}

/// Connects to a door that is open.
fn enter(door: &Path) -> Option<OwnedFd> {
    let (folder, name) = crate::linux::door::place(door).ok()?;
    let address = SocketAddrUnix::new(crate::linux::door::path_in(folder.as_fd(), &name)).ok()?;
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    connect(&socket, &address).ok().map(|()| socket)
}
