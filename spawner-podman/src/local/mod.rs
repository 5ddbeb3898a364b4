//! What this host knows of a container without asking the engine: its first process by identity, its control
//! groups and what is in them, and the shim that the engine left beside it.

mod exit_info;
mod groups;
mod members;
mod notice;
mod pidfd;
mod program;
mod roster;
mod shim;
mod strike;
mod traces;

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spawner_core::ProcessIdentity;
use spawner_core::proc::Stat;
use tokio::time::sleep;

use crate::engine::Seen;
use members::{Marks, Namespace};
use pidfd::Pidfd;

pub(crate) use exit_info::is_told as exit_is_told;
pub(crate) use members::Member;
pub(crate) use roster::Roster;
pub(crate) use traces::Traces;

/// A container whose processes are processes of this host.
#[derive(Debug)]
pub(crate) struct Local {
    id: String,
    init: ProcessIdentity,
    /// The first process; `None` where it had ended when it was looked for.
    pidfd: Option<Pidfd>,
    shim: Option<ProcessIdentity>,
    groups: Vec<PathBuf>,
    own_pids: bool,
    /// Where there are no control groups of its own, and this account may look.
    namespace: Option<Namespace>,
    /// What is in the environment of its processes that did not clear it.
    mark: Option<String>,
    /// Who was asked to end.
    asked: Mutex<Asked>,
    /// Who was seen, and what became of them.
    roster: Mutex<Roster>,
}

#[derive(Debug, Default)]
struct Asked {
    others: Vec<Arc<Pidfd>>,
    init: bool,
    /// Whether the kernel withheld the request from the first process.
    deaf: bool,
}

impl Local {
    /// The container that the engine sees; `None` where its pids are not pids of this host, or it does not run.
    /// A process of this host is taken for the container's first one only where its control group bears the
    /// container's id, or its parent is a shim of the container.
    pub(crate) fn find(seen: &Seen) -> Option<Self> {
        let pid = seen.pid?;
        match Self::at(pid, &seen.id, mark(&seen.name)) {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(pid, %error, "cannot look at a container's first process");
                None
            }
        }
    }

    fn at(pid: i32, id: &str, mark: Option<String>) -> io::Result<Option<Self>> {
        let Some(init) = ProcessIdentity::of(pid.cast_unsigned()) else { return Ok(None) };
        let Some(pidfd) = Pidfd::of(&init)? else { return Ok(None) };
        let parent = Stat::of(pid)?.parent;
        let shim = if shim::is_of(parent, id)? { ProcessIdentity::of(parent.cast_unsigned()) } else { None };
        let groups = groups::of(pid, id)?;
        if shim.is_none() && groups.is_empty() {
            return Ok(None);
        }
        let own_pids = members::is_first(pid)?;
        let namespace = if own_pids && groups.is_empty() { Some(Namespace::of(pid)?) } else { None };
        // What was read was read of this process, if it runs still.
        let id = id.to_owned();
        let found =
            Self { pidfd: Some(pidfd), shim, groups, own_pids, namespace, mark, ..Self::of(id, init) };
        Ok(found.init.is_alive().then_some(found))
    }

    /// The container of which these traces were kept; `None` where they name no process of this host.
    pub(crate) fn recall(traces: &Traces) -> Option<Self> {
        let init = traces.init.clone()?;
        let pidfd = Pidfd::of(&init).unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot hold a container's first process");
            None
        });
        let namespace = pidfd.as_ref().filter(|_| traces.own_pids && traces.groups.is_empty());
        let namespace = namespace.and_then(|_| Namespace::of(init.pid.cast_signed()).ok());
        let Traces { id, conmon, groups, own_pids, name, .. } = traces.clone();
        let mark = mark(&name);
        Some(Self { pidfd, shim: conmon, groups, own_pids, namespace, mark, ..Self::of(id, init) })
    }

    fn of(id: String, init: ProcessIdentity) -> Self {
        Self {
            id,
            pidfd: None,
            shim: None,
            groups: Vec::new(),
            own_pids: false,
            namespace: None,
            mark: None,
            asked: Mutex::default(),
            roster: Mutex::new(Roster::of(&init)),
            init,
        }
    }

    /// Who was seen, and what became of them.
    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its first process.
    pub(crate) fn init(&self) -> &ProcessIdentity {
        &self.init
    }

    /// Its control groups.
    pub(crate) fn groups(&self) -> &[PathBuf] {
        &self.groups
    }

    /// Whether nothing of it can go unseen: the kernel ends its pid namespace with its first process, or its
    /// control groups tell its members.
    pub(crate) fn cannot_miss(&self) -> bool {
        self.own_pids || !self.groups.is_empty()
    }

    /// Whether its first process begins a pid namespace.
    pub(crate) fn has_own_pids(&self) -> bool {
        self.own_pids
    }

    /// Whether its first process has ended.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.pidfd {
            Some(pidfd) => pidfd.has_ended(),
            None => !self.init.is_alive(),
        }
    }

    /// Waits for the end of its first process, and a little for how it ended. Cancel-safe.
    pub(crate) async fn ended(&self) {
        let waited = match &self.pidfd {
            Some(pidfd) => pidfd.ended().await,
            None => Err(io::Error::from(io::ErrorKind::Unsupported)),
        };
        while waited.is_err() && !self.has_ended() {
            sleep(Duration::from_millis(20)).await;
        }
        if exit_is_told() && self.pidfd.is_some() {
            // The shim reaps it at once, unless something keeps that from running.
            for _ in 0..100 {
                if self.status().is_some() {
                    break;
                }
                sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// How it ended, where the kernel tells.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        use std::os::fd::AsFd as _;
        exit_info::status(self.pidfd.as_ref()?.as_fd())
    }

    fn marks(&self) -> Marks<'_> {
        Marks {
            id: &self.id,
            init: &self.init,
            groups: &self.groups,
            namespace: self.namespace.as_ref(),
            mark: self.mark.as_deref(),
        }
    }

    /// All of its processes that run.
    pub(crate) fn members(&self) -> io::Result<Vec<Member>> {
        let mut members = self.marks().all()?;
        let known = members.iter().any(|member| member.identity == self.init);
        if !known && !self.has_ended() {
            // One that is on its way out may have left its groups already; or it has none.
            members.extend(Member::of_identity(&self.init));
        }
        Ok(members)
    }

    /// Waits until none of its processes runs; by notification where the kernel gives one. Cancel-safe.
    pub(crate) async fn emptied(&self) -> io::Result<()> {
        if let Some(pidfd) = &self.pidfd {
            pidfd.ended().await?;
        }
        let mut pause = Duration::from_millis(1);
        while self.has_members()? {
            groups::changed(&self.groups, pause).await?;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Whether anything of it runs, be it too quick to be named.
    pub(super) fn has_members(&self) -> io::Result<bool> {
        match self.members() {
            Ok(members) => Ok(!members.is_empty()),
            Err(error) if members::is_too_quick(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The engine's process that waited for it.
    pub(crate) fn shim(&self) -> Option<&ProcessIdentity> {
        self.shim.as_ref()
    }

    /// Waits for that one's end. Cancel-safe.
    pub(crate) async fn shim_ended(&self) -> io::Result<()> {
        match &self.shim {
            Some(shim) => Self::process_ended(shim).await,
            None => Ok(()),
        }
    }

    /// Waits for the end of this very process. Cancel-safe.
    pub(crate) async fn process_ended(process: &ProcessIdentity) -> io::Result<()> {
        match Pidfd::of(process)? {
            Some(pidfd) => pidfd.ended().await,
            None => Ok(()),
        }
    }

    /// The engine's processes beside it that run still: the one that waited for it, and where `all` is wanted those
    /// of exec sessions, which takes a look at every process of this host.
    pub(crate) async fn shims(&self, all: bool) -> io::Result<Vec<ProcessIdentity>> {
        let mut shims: Vec<_> = self.shim.iter().filter(|shim| shim.is_alive()).cloned().collect();
        if all {
            let id = self.id.clone();
            let found = tokio::task::spawn_blocking(move || shim::all(&id)).await;
            for found in found.map_err(io::Error::other)?? {
                if !shims.contains(&found) {
                    shims.push(found);
                }
            }
        }
        Ok(shims)
    }
}

/// The variable that names a task to what it starts, for the container of this name.
fn mark(name: &str) -> Option<String> {
    Some(format!("SPAWNER_TASK_ID={}", name.strip_prefix("spawner-")?))
}

/// Whether nothing of a container is on this host whose first process nobody saw: no control group that is named
/// after it, and no shim. It takes that the engine is this host's, and has `rootless` for what it says.
pub(crate) async fn has_nothing_of(id: &str, rootless: bool) -> io::Result<bool> {
    let id = id.to_owned();
    let looked = tokio::task::spawn_blocking(move || {
        // Such a one has no group here that could be found.
        if rootless && groups::are_of_version_1()? {
            return Ok(false);
        }
        Ok(!id.is_empty() && groups::named_after(&id)?.is_empty() && shim::all(&id)?.is_empty())
    });
    looked.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
