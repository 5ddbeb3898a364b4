//! The rungs of the ladder, for one task of this machine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::ladder::Progress;
use spawner_core::{
    AskScope, Error, ErrorKind, Evidence, Fate, Resource, ResourceKind, Result, Rungs, Strength,
};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout};

use super::evidence;
use super::live::Live;
use super::orphans::Left;
use crate::backend::Shared;
use crate::words::{Member, Order, Reply};
use spawner_core::proc::Stat;

/// How long a keeper may take to hear an order before it counts as stuck: somebody may have stopped it.
const HEARING: Duration = Duration::from_secs(1);

pub(crate) struct ProcessRungs {
    pub(crate) shared: Arc<Shared>,
    pub(crate) live: Arc<Live>,
    pub(crate) progress: OwnedMutexGuard<Progress>,
    /// What the last look saw, until it is settled.
    pub(crate) seen: Option<Evidence>,
}

impl ProcessRungs {
    async fn tell(&self, order: Order) -> Result<Reply> {
        let Some(link) = self.live.link() else {
            return Err(Error::new(
                ErrorKind::UnknownTask,
                "talk to the keeper of",
                self.live.id.to_string(),
            ));
        };
        match timeout(HEARING, link.ask(order, Vec::new())).await {
            Ok(reply) => reply,
            Err(_) => Err(Error::new(ErrorKind::TimedOut, "be heard by", "the keeper of the task")),
        }
    }

    /// Returns where the keeper is found to be stopped; a task may have done that.
    async fn stopped(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if Stat::of(self.live.keeper).is_ok_and(|stat| matches!(stat.state, b'T' | b't')) {
                return;
            }
        }
    }

    fn is_lost(&self) -> bool {
        let closed = self.live.link().is_none_or(|link| link.link.is_closed());
        // A keeper that has seen its only task through leaves, too.
        closed && self.live.proof().is_none() && self.live.gone().is_none()
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

    /// The main process, as it was when it was last heard of.
    fn leader(&self) -> Member {
        Member {
            pid: self.live.started.pid,
            start_time: self.live.started.start_time,
            name: Some(self.live.name.clone()),
            fate: Fate::Killed,
            reason: None,
            denied: false,
        }
    }

    /// What the supervisor sees of a task whose keeper died.
    async fn look_at_orphans(&self) -> Result<Evidence> {
        let keeper = self.live.keeper;
        let orphans =
            self.shared.keepers.orphans(keeper, |orphans| orphans.keepers.contains(&keeper)).await?;
        let Left { mut members, certain } = orphans.of(keeper, self.live.id);
        if !members.iter().any(|member| member.pid == self.live.started.pid) {
            members.insert(0, self.leader());
        }
        Ok(Evidence {
            mechanisms: self.live.started.mechanisms.clone(),
            strength: if certain { Strength::CannotMiss } else { Strength::Blind },
            total: members.len(),
            resources: members.iter().map(evidence::resource).collect(),
            usage: None,
        })
    }
}

fn unexpected(reply: &Reply) -> Error {
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
        let keeper = self.live.keeper;
        let settled = self.shared.keepers.orphans(keeper, |orphans| {
            orphans.keepers.contains(&keeper) && orphans.alive.is_empty() && orphans.certain
        });
        settled.await.map(drop)
    }

    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        if self.is_lost() {
            return Ok((Vec::new(), 0));
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
            return Ok(());
        }
        self.expect_done(self.tell(Order::Ask(scope)).await?)
    }

    async fn force(&mut self) -> Result<()> {
        if self.is_lost() {
            return Ok(());
        }
        let told = tokio::select! {
            told = self.tell(Order::Force) => told.ok(),
            () = self.stopped() => None,
        };
        match told {
            Some(reply) => self.expect_done(reply),
            // It is stopped, or dead: what it keeps falls to the supervisor, which ends it.
            None => self.shared.keepers.end(self.live.keeper).await,
        }
    }

    async fn look(&mut self) -> Result<Evidence> {
        if let Some(proof) = self.live.proof() {
            return Ok(proof);
        }
        let evidence = if let Some(sight) = self.live.gone() {
            evidence::of_sight(&sight, &self.live.started.mechanisms)
        } else if self.is_lost() {
            self.look_at_orphans().await?
        } else {
            match self.tell(Order::Look).await? {
                Reply::Look(sight) => evidence::of_sight(&sight, &self.live.started.mechanisms),
                other => return Err(unexpected(&other)),
            }
        };
        self.seen = Some(evidence.clone());
        Ok(evidence)
    }

    fn last_known(&mut self, why: &str) -> Evidence {
        let leader = evidence::unverified(&self.leader(), why);
        Evidence::blind(self.live.started.mechanisms.clone(), leader)
    }

    async fn release(&mut self) -> Vec<Resource> {
        let Some(seen) = self.seen.take() else { return Vec::new() };
        if self.live.gone().is_some() {
            self.shared.settled(&self.live, seen);
            return Vec::new();
        }
        if self.is_lost() {
            // Without certainty a later look may still find out.
            if seen.strength == Strength::CannotMiss {
                self.live.abandon();
                self.shared.settled(&self.live, seen);
            }
            return Vec::new();
        }
        match self.tell(Order::Release).await {
            Ok(Reply::Released(trouble)) if trouble.is_empty() => {
                self.shared.settled(&self.live, seen);
                Vec::new()
            }
            Ok(Reply::Released(trouble)) => trouble.into_iter().map(not_removed).collect(),
            Ok(other) => {
                vec![not_removed((PathBuf::from("/sys/fs/cgroup"), Some(unexpected(&other).to_string())))]
            }
            Err(error) => vec![not_removed((PathBuf::from("/sys/fs/cgroup"), Some(error.to_string())))],
        }
    }
}

fn not_removed((path, why): (PathBuf, Option<String>)) -> Resource {
    let path = path.display().to_string();
    Resource {
        kind: ResourceKind::Cgroup,
        started: None,
        name: None,
        fate: Fate::Survived,
        reason: why,
        remedy: Some(format!("rmdir {path}")),
        id: path,
    }
}
