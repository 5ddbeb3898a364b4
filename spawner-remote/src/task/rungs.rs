//! The rungs of the ladder, for one task on a host. All of them ask over the connection, again where it was lost.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::ladder::Progress;
use spawner_core::{AskScope, Evidence, Fate, Resource, Result, Rungs, Strength};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep, timeout};

use super::live::Live;
use super::reach::{Look, Reached};
use crate::said::{Looked, Member, Proof};
use crate::session::Connection;

/// Between two looks, while what was just ended is on its way out.
const PAUSE: Duration = Duration::from_millis(20);

/// What a guardian says of who runs.
enum Counted {
    /// Everything is gone.
    Gone,
    /// These run, and so many all told.
    Members(Vec<Member>, usize),
    /// Something is there that has no name: the host has no /proc, and the main process has ended.
    Nameless,
    /// It is not there any more; the agent of this connection can be asked.
    Unguarded(Arc<Connection>),
}

/// How many times in a row something may run and nobody be named, before that is what was seen.
const GLANCES: usize = 3;

/// How long at most going to a host may take before the ladder begins.
const WAY: Duration = Duration::from_secs(2);

/// Who keeps tasks until they are proved gone.
pub(crate) trait Owner: Send + Sync {
    /// It was proved gone.
    fn settled(&self, live: &Live, proof: Evidence);

    /// Whether its record stays where nothing was found of it and nothing proved.
    fn keeps_doubtful(&self) -> bool;

    /// It was looked for with everything that there is, and nothing was found: it is kept no longer.
    fn parted(&self, live: &Live);
}

pub(crate) struct RemoteRungs {
    owner: Arc<dyn Owner>,
    live: Arc<Live>,
    progress: OwnedMutexGuard<Progress>,
    /// What the last look saw, until it is settled.
    seen: Option<Evidence>,
}

impl RemoteRungs {
    /// The rungs of a task; waits for another caller to be done with them.
    pub(crate) async fn of(owner: Arc<dyn Owner>, live: Arc<Live>) -> Self {
        let progress = Arc::clone(&live.progress).lock_owned().await;
        if live.proof().is_none() && live.is_far_unknown() {
            // How far it is away is known by going there. Where that fails, the rungs say so.
            drop(timeout(WAY, live.host.connection()).await);
        }
        let rungs = Self { owner, live, progress, seen: None };
        rungs.live.see_leader_end(rungs.fate());
        rungs
    }

    /// How who was alive and is no more came to an end, by how far this has come.
    fn fate(&self) -> Fate {
        match (self.progress.escalated(), self.progress.asked()) {
            (true, _) => Fate::Killed,
            (false, true) => Fate::Terminated,
            (false, false) => Fate::Exited,
        }
    }

    fn is_gone(&self) -> bool {
        self.live.proof().is_some() || self.live.ear.borrow().gone.is_some()
    }

    /// Waits until everything is gone, by its guardian's word; over another connection where one is lost.
    async fn until_gone(&self, again: &[String]) -> Result<Option<Arc<Connection>>> {
        loop {
            if self.is_gone() {
                return Ok(None);
            }
            let link = match self.live.reach().await? {
                Reached::Agent(link) => return Ok(Some(link)),
                Reached::Guardian(link) => link,
            };
            again.iter().try_for_each(|words| link.tell(words.clone()))?;
            tokio::select! {
                () = self.live.hears(|heard| heard.gone.is_some() || heard.deaf) => {}
                _ = link.ended() => {}
                () = link.silence() => {}
            }
        }
    }

    /// Who runs by its guardian's word, over another connection where one is silent; else who can be asked, if anybody
    /// has to be.
    async fn counted(&self, look: Look<'_>) -> Result<Counted> {
        loop {
            let link = match self.live.reach().await? {
                _ if self.is_gone() => return Ok(Counted::Gone),
                Reached::Agent(link) => return Ok(Counted::Unguarded(link)),
                Reached::Guardian(link) => link,
            };
            match self.live.count(&link, look).await {
                Ok(Some((_, 1..))) if self.live.is_nameless() => return Ok(Counted::Nameless),
                Ok(Some((members, count))) => return Ok(Counted::Members(members, count)),
                Ok(None) if self.is_gone() => return Ok(Counted::Gone),
                Ok(None) => return Ok(Counted::Unguarded(link)),
                Err(_) if link.is_doubted() || !link.is_up() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Who runs, whoever can say so.
    async fn alive(&self) -> Result<(Vec<Member>, usize)> {
        let link = match self.counted(Look::Whole).await? {
            Counted::Gone | Counted::Nameless => return Ok((Vec::new(), 0)),
            Counted::Members(members, count) => return Ok((members, count)),
            Counted::Unguarded(link) => link,
        };
        let (looked, seen) = self.live.ask_agent(&link, "look").await?;
        if looked == Looked::Rebooted {
            // Whatever was asked of it, nobody heard.
            self.live.see(&[], 0, Fate::AlreadyGone);
        }
        let count = seen.len();
        Ok((seen, count))
    }

    /// Looks without a guardian.
    async fn look_by_agent(&self, link: &Connection) -> Result<Evidence> {
        self.live.read_kept(link).await?;
        if let Some(gone) = self.live.ear.borrow().gone.clone() {
            return Ok(self.live.gone(&gone.by, self.fate()));
        }
        let (looked, seen) = self.live.ask_agent(link, "look").await?;
        Ok(match looked {
            Looked::Rebooted => {
                self.live.lose("the host was restarted");
                self.live.gone(&[Proof::Group], Fate::AlreadyGone)
            }
            Looked::Guarded => self.live.unseen("its guardian is there and does not answer"),
            Looked::Unknown => self.live.unseen("the host has no /proc, and its guardian is gone"),
            Looked::Unable => self
                .live
                .unseen("no process can be made there to look with (see `ulimit -u`), or grep(1) fails"),
            Looked::Alive => {
                self.live.see(&seen, seen.len(), self.fate());
                self.live.alive(&seen, seen.len())
            }
            Looked::NotFound(by) => {
                // A group that was left is no proof of its own; and that there is none says nothing.
                let by: Vec<_> = by
                    .into_iter()
                    .filter(|proof| *proof != Proof::Group || self.live.traces.group.is_some())
                    .collect();
                self.live.gone(&by, self.fate())
            }
        })
    }

    /// Its record goes.
    fn close(&self) -> Vec<Resource> {
        self.live.page.iter().filter_map(|page| page.leftover(page.close())).collect()
    }
}

#[async_trait]
impl Rungs for RemoteRungs {
    fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn distance(&self) -> Duration {
        self.live.round()
    }

    fn ended_at(&self) -> Option<Instant> {
        self.live.exit().map(|(_, at)| at)
    }

    async fn await_empty(&mut self) -> Result<()> {
        match self.until_gone(&[]).await? {
            None => Ok(()),
            Some(_) => Err(spawner_core::Error::new(
                spawner_core::ErrorKind::Lost,
                "watch the task on",
                &*self.live.traces.address.destination,
            )
            .because("its guardian there is gone")),
        }
    }

    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        let (members, count) = self.alive().await?;
        self.live.see(&members, count, self.fate());
        Ok((members.iter().map(|member| self.live.running(member)).collect(), count))
    }

    async fn ask(&mut self, scope: AskScope) -> Result<()> {
        self.live.see_leader_end(Fate::Exited);
        // Who is there is noted first, so that it can be named when it is gone.
        if let Counted::Members(members, count) = self.counted(Look::Brief { then: &[] }).await? {
            self.live.see(&members, count, Fate::Exited);
        }
        if let Reached::Guardian(link) = self.live.reach().await? {
            let words = if scope == AskScope::Leader { "ask leader" } else { "ask" };
            if let Some(words) = self.live.to_guardian(words) {
                link.tell(words)?;
            }
        }
        Ok(())
    }

    async fn force(&mut self) -> Result<()> {
        let before = if self.progress.asked() { Fate::Terminated } else { Fate::Exited };
        self.live.see_leader_end(before);
        // The force does not wait for the list to come back: on a bad link there may be no time for a second question.
        let force = self.live.to_force();
        if let Counted::Members(members, count) = self.counted(Look::Brief { then: &force }).await? {
            self.live.see(&members, count, before);
        }
        if let Some(link) = self.until_gone(&force).await? {
            self.live.ask_agent(&link, "end").await?;
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<Evidence> {
        let mut glances = 0;
        let evidence = loop {
            if let Some(proof) = self.live.proof() {
                break proof;
            }
            let gone = self.live.ear.borrow().gone.clone();
            if let Some(gone) = gone {
                break self.live.gone(&gone.by, self.fate());
            }
            match self.counted(Look::Whole).await? {
                Counted::Unguarded(link) => break self.look_by_agent(&link).await?,
                Counted::Members(members, count)
                    if !members.is_empty() || count > 0 && glances == GLANCES =>
                {
                    self.live.see(&members, count, self.fate());
                    break self.live.alive(&members, count);
                }
                Counted::Nameless => {
                    self.live.see(&[], 0, self.fate());
                    break self.live.unseen("something of its process group is there, or unreaped");
                }
                // Nobody runs, or nobody did when it came to the names; its guardian may be about to say that all is gone.
                Counted::Members(_, count) => {
                    glances += usize::from(count > 0);
                    sleep(PAUSE).await;
                }
                Counted::Gone => {}
            }
        };
        self.seen = Some(evidence.clone());
        Ok(evidence)
    }

    fn last_known(&mut self, why: &str) -> Evidence {
        self.live.unseen(why)
    }

    async fn release(&mut self) -> Vec<Resource> {
        let Some(seen) = self.seen.take() else { return Vec::new() };
        let is_kept = || self.live.ear.borrow().group_kept;
        if is_kept() {
            // It may have been removed since.
            let asked = async {
                let (Reached::Guardian(link) | Reached::Agent(link)) = self.live.reach().await?;
                self.live.read_kept(&link).await
            };
            if let Err(error) = asked.await {
                tracing::debug!(%error, "whether a control group is still there is not known");
            }
        }
        if let Some(group) = self.live.group().filter(|_| is_kept()) {
            self.seen = Some(seen);
            return vec![group];
        }
        let certain = seen.strength == Strength::CannotMiss;
        if !certain && self.owner.keeps_doubtful() {
            return Vec::new();
        }
        // What is kept there is of no use any more, but how it ended for a harness that lives and has yet to hear of it;
        // where that cannot be said now, it stays.
        let what = if self.live.is_anothers { " output" } else { "" };
        if let Some(link) = self.live.host.present()
            && let Err(error) = link.tell(format!("forget {}{what}", self.live.id))
        {
            tracing::debug!(%error, "what was kept of a task stays on its host");
        }
        let left = self.close();
        match (left.is_empty(), certain) {
            (true, true) => self.owner.settled(&self.live, seen),
            (true, false) => self.owner.parted(&self.live),
            (false, _) => self.seen = Some(seen),
        }
        left
    }
}
