//! The supervisor of this harness, and its keepers: idle ones are kept for the next task.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use spawner_core::lifeline::{self, Lifeline};
use spawner_core::{Error, ErrorKind, ProcessIdentity, Result};
use tokio::time::Instant;

use super::keeper_link::{KeeperLink, KeeperState};
use super::leaving::{Leaving, PATIENCE, end_by_identity, see_off};
use super::link::Link;
use super::supervisor::{Supervisor, SupervisorState, Waiting};
use crate::linux::hook;
use crate::linux::remains::names;
use crate::linux::supervisor::ROLE;
use crate::linux::words::{Order, Orphans, Request, SetUp, ToSupervisor};

/// How many idle keepers are kept, each with 32 KiB of memory of its own.
const MOST_IDLE: usize = 16;

/// How long a supervisor may take to send a keeper before it is made sure that it is not stopped.
const HEARING: Duration = Duration::from_secs(1);

/// Where keepers come from, and where they go when they are idle.
#[derive(Debug)]
pub(crate) struct Keepers {
    set_up: SetUp,
    program: Option<PathBuf>,
    supervisor: tokio::sync::Mutex<Option<Arc<Supervisor>>>,
    idle: Mutex<Vec<Arc<KeeperLink>>>,
}

impl Keepers {
    pub(crate) fn new(set_up: SetUp, program: Option<PathBuf>) -> Self {
        Self { set_up, program, supervisor: tokio::sync::Mutex::default(), idle: Mutex::default() }
    }

    /// A keeper without a task. Cancel-safe.
    pub(crate) async fn take(&self) -> Result<Arc<KeeperLink>> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(keeper) if !keeper.link.is_closed() => return Ok(keeper),
                Some(_) => {}
                None => return self.fork().await,
            }
        }
    }

    /// Takes a keeper back whose task was proved gone, for the next one; or has it leave.
    pub(crate) fn give_back(&self, keeper: Arc<KeeperLink>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE && keeper.is_for_any_task() {
            idle.push(keeper);
        } else {
            keeper.link.close();
        }
    }

    async fn fork(&self) -> Result<Arc<KeeperLink>> {
        let mut tries = 3;
        loop {
            match self.try_to_fork().await {
                // The supervisor died meanwhile; the next try starts another.
                Err(error) if error.kind() == ErrorKind::Io && tries > 1 => tries -= 1,
                other => return other,
            }
        }
    }

    async fn try_to_fork(&self) -> Result<Arc<KeeperLink>> {
        let supervisor = self.running().await?;
        let lost = |source| Error::io("get a keeper from", "the supervisor", source);
        let (_waiting, short) = Waiting::join(&supervisor.link);
        if short {
            supervisor.link.say(&ToSupervisor::Fork, Vec::new()).map_err(lost)?;
        }
        let got = supervisor.link.until(SupervisorState::take);
        tokio::pin!(got);
        let got = loop {
            // A stopped supervisor would keep every start waiting.
            match tokio::time::timeout(HEARING, &mut got).await {
                Ok(got) => break got,
                Err(_) => supervisor.resume(),
            }
        };
        match got.map_err(lost)? {
            Ok((pid, index, socket)) => {
                let link = Link::new(socket, KeeperState::default()).map_err(lost)?;
                let set_up = Request { number: 0, order: Order::SetUp(supervisor.set_up.clone()) };
                link.say(&set_up, Vec::new()).map_err(lost)?;
                // One that has ended by now is found out by its socket.
                let identity = ProcessIdentity::of(pid.cast_unsigned());
                let identity = identity.unwrap_or_else(|| ProcessIdentity {
                    pid: pid.cast_unsigned(),
                    start_time: 0,
                    ..ProcessIdentity::own()
                });
                Ok(Arc::new(KeeperLink::new(identity, Some((Arc::clone(&supervisor), index)), link)))
            }
            Err(libc::EMFILE) => Err(Error::io("get a keeper from", "the supervisor", Errno::MFILE.into())),
            Err(errno) => {
                Err(Error::io("start the task", "", std::io::Error::from_raw_os_error(errno)).hint(
                    "the supervisor cannot fork a keeper: see `ulimit -u`, `ulimit -n` and pids.max of the control group",
                ))
            }
        }
    }

    /// The supervisor, started where none runs.
    async fn running(&self) -> Result<Arc<Supervisor>> {
        let mut own = self.supervisor.lock().await;
        if let Some(supervisor) = own.as_ref()
            && !supervisor.link.is_closed()
        {
            return Ok(Arc::clone(supervisor));
        }
        if let Some(dead) = own.take() {
            see_off(&dead);
        }
        let (lifeline, single) = self.start()?;
        let broken = |source| Error::io("talk to", "the supervisor", source);
        // It makes its first keeper unasked.
        let state = SupervisorState::with_one_ordered();
        let link = Link::new(lifeline.socket, state).map_err(broken)?;
        let mut set_up = SetUp { single, ..self.set_up.clone() };
        if let Some(parent) = &mut set_up.group {
            *parent = parent.join(names::of_harness(&ProcessIdentity::own(), lifeline.helper.pid()));
        }
        link.say(&ToSupervisor::SetUp(set_up.clone()), Vec::new()).map_err(broken)?;
        let identity = ProcessIdentity::of(lifeline.helper.pid());
        let helper = Mutex::new(Some(lifeline.helper));
        let supervisor = Arc::new(Supervisor { link, set_up, identity, helper });
        *own = Some(Arc::clone(&supervisor));
        Ok(supervisor)
    }

    /// Starts a supervisor, or takes the one that was forked early, for one task.
    fn start(&self) -> Result<(Lifeline, bool)> {
        if let Some(lifeline) = hook::forked_early() {
            return Ok((lifeline, true));
        }
        if self.program.is_none() && !hook::is_in_executable() {
            return Err(Error::new(ErrorKind::Config, "start the supervisor", "")
                .because("this code is not part of the harness's own executable, which could serve otherwise")
                .hint("name a `spawner` program with the key `supervisor` of the backend"));
        }
        Ok((lifeline::start(ROLE, self.program.as_deref())?, false))
    }

    /// Ends a keeper that no longer answers.
    pub(crate) fn end(keeper: &KeeperLink) -> Result<()> {
        let Some(supervisor) = keeper.supervisor.as_ref().filter(|own| !own.link.is_closed()) else {
            return end_by_identity(&keeper.identity);
        };
        supervisor.resume();
        let told = supervisor.link.say(&ToSupervisor::EndKeeper(keeper.index), Vec::new());
        told.map_err(|source| Error::io("end the keeper through", "the supervisor", source))
    }

    /// What is left of what the dead keepers of this one's supervisor kept, as soon as `wanted` likes it.
    pub(crate) async fn orphans(
        keeper: &KeeperLink,
        wanted: impl Fn(&Orphans) -> bool + Send,
    ) -> Result<Orphans> {
        let gone =
            || Error::new(ErrorKind::Lost, "learn about orphans from", "the supervisor, which is gone");
        let supervisor = keeper.supervisor.as_ref().ok_or_else(gone)?;
        let lost = |source| Error::io("learn about orphans from", "the supervisor", source);
        supervisor.resume();
        supervisor.link.with(|state| state.orphans = None);
        supervisor.link.say(&ToSupervisor::Orphans(keeper.index), Vec::new()).map_err(lost)?;
        supervisor.link.until(|state| state.orphans.clone().filter(&wanted)).await.map_err(lost)
    }

    /// Tells every helper that the harness, a program with one task that is gone, is done; waits until every
    /// helper has ended. The supervisor does not wait for its keeper: this process inherits it, and reaps it.
    pub(crate) async fn release(&self) -> Result<()> {
        let idle: Vec<_> = self.idle.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        if let Some(supervisor) = self.supervisor.lock().await.as_ref()
            && supervisor.set_up.single
            && let Err(error) = supervisor.link.say(&ToSupervisor::Leave, Vec::new())
        {
            tracing::trace!(%error, "the supervisor has left already");
        }
        for keeper in &idle {
            keeper.link.close();
        }
        let Some(leaving) = self.close() else { return Ok(()) };
        leaving.left(Instant::now() + PATIENCE).await?;
        idle.iter().try_for_each(|keeper| lifeline::reap_inherited(keeper.pid.cast_unsigned(), PATIENCE))
    }

    /// Tells every helper that the harness is done, and returns the supervisor, to be awaited.
    pub(crate) fn close(&self) -> Option<Leaving> {
        for keeper in self.idle.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            keeper.link.close();
        }
        // Whoever holds the lock is starting one, whose socket goes with this.
        let supervisor = self.supervisor.try_lock().ok()?.take()?;
        supervisor.link.with(|state| state.keepers.clear());
        supervisor.link.close();
        // With the last of its holders the socket goes, and with it what was in flight to it.
        supervisor.resume();
        let helper = supervisor.helper.lock().unwrap_or_else(PoisonError::into_inner).take();
        helper.map(|helper| Leaving(helper, supervisor.set_up.group.clone()))
    }
}
