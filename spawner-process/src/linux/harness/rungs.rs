//! The rungs of the ladder, for one task of this machine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::ladder::Progress;
use spawner_core::{AskScope, Error, ErrorKind, Evidence, Exit, Fate, Resource, Result, Rungs, Strength};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout};

use super::evidence;
use super::keeper_link::{HEARING, KeeperLink, unheard};
use super::keepers::Keepers;
use super::live::Live;
use super::orphans::Left;
use crate::linux::backend::Shared;
use crate::linux::remains::Remains;
use crate::linux::words::{Member, Order, Orphans, Reply};

/// How many looks in a row may see that something runs and nobody to name, and the pause between two: well within the
/// time that looking has.
const GLANCES: (u32, Duration) = (10, Duration::from_millis(5));

pub(crate) struct ProcessRungs {
    pub(crate) shared: Arc<Shared>,
    pub(crate) live: Arc<Live>,
    pub(crate) progress: OwnedMutexGuard<Progress>,
    /// What the last look saw, until it is settled.
    pub(crate) seen: Option<Evidence>,
}

impl ProcessRungs {
    pub(super) async fn tell(&self, order: Order) -> Result<Reply> {
        let Some(link) = self.live.link() else {
            return Err(Error::new(
                ErrorKind::UnknownTask,
                "talk to the keeper of",
                self.live.id.to_string(),
            ));
        };
        match timeout(HEARING, link.ask(order, Vec::new())).await {
            Ok(reply) => reply,
            Err(_) => Err(unheard()),
        }
    }

    /// Returns where the keeper is found to be stopped.
    async fn stopped(&self) {
        if let Some(keeper) = self.live.link() {
            keeper.stopped().await;
        }
    }

    /// Whether no keeper has the task any more.
    pub(super) fn is_lost(&self) -> bool {
        let closed = self.live.link().is_none_or(|link| link.link.is_closed());
        // A keeper that has seen its only task through leaves, too.
        closed && self.live.proof().is_none() && self.live.gone().is_none()
    }

    /// The keeper that died, where the supervisor that inherited what it kept is there.
    pub(super) fn inherited(&self) -> Option<Arc<KeeperLink>> {
        self.live.link().filter(|keeper| keeper.has_supervisor())
    }

    fn expect_done(&self, reply: Reply) -> Result<()> {
        match reply {
            Reply::Done => Ok(()),
            // It went by itself meanwhile.
            Reply::Failed(_) if self.live.gone().is_some() => Ok(()),
            Reply::Failed(why) => {
                Err(Error::new(ErrorKind::Denied, "have it done by", "the keeper of the task").because(why))
            }
            other => Err(unexpected(&other)),
        }
    }

    /// What the keeper sees. The kernel may say that something is left while everyone who can be named has ended: then it
    /// is about to be gone, or is a chain of processes that each end too soon.
    async fn look_of_keeper(&self) -> Result<Evidence> {
        for _ in 0..GLANCES.0 {
            let sight = match self.tell(Order::Look).await? {
                Reply::Look(sight) => sight,
                // It went by itself meanwhile.
                other => *self.live.gone().ok_or_else(|| unexpected(&other))?,
            };
            let evidence = evidence::of_sight(&sight, &self.live.mechanisms);
            if !evidence::is_unnamed(&evidence) {
                return Ok(evidence);
            }
            tokio::time::sleep(GLANCES.1).await;
        }
        let why = "something of it runs, and was another process whenever it was looked at";
        Err(Error::new(ErrorKind::Lost, "name what is left of", format!("task {}", self.live.id))
            .because(why))
    }

    /// The main process, as it was when it was last heard of.
    fn leader(&self) -> Option<Member> {
        let leader = self.live.leader.as_ref()?;
        Some(Remains::leader(leader, Some(self.live.name.clone()), Fate::Killed))
    }

    /// What became of the main process, where its end was seen.
    fn fate_of_leader(&self) -> Option<Fate> {
        match self.live.exit()?.0 {
            Exit::Lost { .. } => None,
            Exit::Signalled { signal: libc::SIGKILL, .. } if self.progress.escalated() => Some(Fate::Killed),
            Exit::Signalled { signal: libc::SIGTERM, .. } if self.progress.asked() => Some(Fate::Terminated),
            _ => Some(Fate::Exited),
        }
    }

    /// What the supervisor sees of a task whose keeper died.
    async fn look_at_orphans(&self, keeper: &KeeperLink) -> Result<Evidence> {
        let died = |orphans: &Orphans| orphans.keepers.contains(&keeper.index);
        let orphans = Keepers::orphans(keeper, died).await?;
        let Left { mut members, certain } = orphans.of(keeper.index, self.live.id);
        if let Some(leader) = self.leader()
            && !members.iter().any(|member| member.pid == leader.pid)
        {
            members.insert(0, leader);
        }
        Ok(Evidence {
            mechanisms: self.live.mechanisms.clone(),
            strength: if certain { Strength::CannotMiss } else { Strength::Blind },
            total: members.len(),
            resources: members.iter().map(evidence::resource).collect(),
            usage: None,
        })
    }
}

pub(super) fn unexpected(reply: &Reply) -> Error {
    Error::new(ErrorKind::Lost, "understand", "the keeper of the task").because(format!("it said {reply:?}"))
}

#[async_trait]
impl Rungs for ProcessRungs {
    fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn ended_at(&self) -> Option<Instant> {
        self.live.exit().map(|(_, at)| at)
    }

    async fn await_empty(&mut self) -> Result<()> {
        if !self.is_lost() && self.live.emptied().await.is_ok() {
            return Ok(());
        }
        let Some(keeper) = self.inherited() else { return self.await_no_remains().await };
        let gone = |orphans: &Orphans| {
            orphans.keepers.contains(&keeper.index) && orphans.alive.is_empty() && orphans.certain
        };
        match Keepers::orphans(&keeper, gone).await {
            Ok(_) => Ok(()),
            Err(_) if !keeper.has_supervisor() => self.await_no_remains().await,
            Err(error) => Err(error),
        }
    }

    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        if self.is_lost() {
            if self.inherited().is_some() {
                return Ok((Vec::new(), 0));
            }
            let found = self.remains(|remains| remains.look(false)).await?;
            return Ok((found.alive.iter().map(evidence::resource).collect(), found.alive.len()));
        }
        match self.tell(Order::Members).await? {
            Reply::Failed(_) if self.live.gone().is_some() => Ok((Vec::new(), 0)),
            Reply::Members(members, total) => Ok((members.iter().map(evidence::resource).collect(), total)),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask(&mut self, scope: AskScope) -> Result<()> {
        if self.is_lost() {
            // The supervisor ends by force what a dead keeper kept.
            return match self.inherited() {
                Some(_) => Ok(()),
                None => self.remains(Remains::ask).await,
            };
        }
        self.expect_done(self.tell(Order::Ask(scope)).await?)
    }

    async fn force(&mut self) -> Result<()> {
        if self.is_lost() {
            return if self.inherited().is_some() { Ok(()) } else { self.strike().await.map(drop) };
        }
        let told = tokio::select! {
            told = self.tell(Order::Force) => told.ok(),
            () = self.stopped() => None,
        };
        match told {
            Some(reply) => self.expect_done(reply),
            // It is stopped, or dead: what it keeps falls to the supervisor, which ends it.
            None => match self.live.link() {
                Some(keeper) => Keepers::end(&keeper),
                None => self.strike().await.map(drop),
            },
        }
    }

    async fn look(&mut self) -> Result<Evidence> {
        if let Some(proof) = self.live.proof() {
            return Ok(proof);
        }
        let evidence = if let Some(sight) = self.live.gone() {
            evidence::of_sight(&sight, &self.live.mechanisms)
        } else if self.is_lost() {
            match self.inherited() {
                Some(keeper) => self.look_at_orphans(&keeper).await?,
                None => self.look_at_remains().await?,
            }
        } else {
            self.look_of_keeper().await?
        };
        self.seen = Some(evidence.clone());
        Ok(evidence)
    }

    fn last_known(&mut self, why: &str) -> Evidence {
        let mechanisms = self.live.mechanisms.clone();
        let last = |leader: Member| match self.fate_of_leader() {
            Some(fate) => evidence::resource(&Member { fate, ..leader }),
            None => evidence::unverified(&leader, why),
        };
        let resources: Vec<_> = self.leader().into_iter().map(last).collect();
        let total = resources.len();
        Evidence { mechanisms, strength: Strength::Blind, resources, total, usage: None }
    }

    async fn release(&mut self) -> Vec<Resource> {
        let Some(seen) = self.seen.take().or_else(|| self.live.proof()) else { return Vec::new() };
        let trouble = self.give_back(&seen).await;
        if trouble.is_empty() {
            if self.live.proof().is_none() && self.may_settle(&seen) {
                self.shared.settled(&self.live, seen);
            }
        } else {
            self.seen = Some(seen);
        }
        trouble
    }
}
