//! Gets hold of a task over a connection: by its guardian, or where that is gone, by the agent.

use std::sync::Arc;
use std::time::Duration;

use spawner_core::{Error, ErrorKind, Result};
use tokio::time::timeout;

use super::live::Live;
use super::start::ORPHAN;
use crate::lock::lock;
use crate::said::{Line, Looked, Member, Said};
use crate::session::{Connection, Heard};

/// How long the far end may take for one answer. Whoever has less time cuts it short.
const ANSWER: Duration = Duration::from_secs(5);

/// What an answer takes without any way, on a busy machine; the shares of the ladder are enough for that.
const NEAR: Duration = Duration::from_millis(20);

/// How long a guardian that ends its task by force may take to say that it is gone.
const BRINK: Duration = Duration::from_millis(500);

/// How a guardian is to look.
#[derive(Clone, Copy)]
pub(super) enum Look<'a> {
    /// At all of them, however long that takes.
    Whole,
    /// At those that it finds soon, so that they can be named; and then this is to be done. It takes words in their order.
    Brief { then: &'a [String] },
}

/// Who can be asked about a task.
pub(super) enum Reached {
    /// Its guardian hears, over this connection.
    Guardian(Arc<Connection>),
    /// It has none any more; the agent looks for it.
    Agent(Arc<Connection>),
}

impl Live {
    /// The connection over which it is known, again where that was lost. Takes it from whoever has it.
    pub(super) async fn reach(&self) -> Result<Reached> {
        let present = lock(&self.link).clone().filter(|link| link.is_up() && !link.is_doubted());
        let link = match present {
            Some(link) if !is_taken(&self.ear.borrow(), &link) => {
                // It may have been parted with, and is asked about again.
                link.listen(self.id, Arc::clone(&self.ear));
                return Ok(self.reached(link));
            }
            Some(link) => link,
            None => self.host.connection().await?,
        };
        link.listen(self.id, Arc::clone(&self.ear));
        self.ear.send_modify(|heard| {
            (heard.adopted, heard.deaf) = (false, false);
            heard.taken = None;
        });
        if link.facts.boot != self.traces.boot || self.traces.guardian.0 == 0 {
            self.ear.send_modify(|heard| heard.deaf = true);
        } else {
            let words = format!("adopt {} {}", link.agent.reply, link.agent.life);
            link.tell(self.to_guardian(&words).ok_or_else(|| self.nobody())?)?;
            self.quick_answer(&link, |heard| heard.adopted || heard.deaf || heard.gone.is_some()).await?;
        }
        *lock(&self.link) = Some(Arc::clone(&link));
        Ok(self.reached(link))
    }

    /// How long an answer takes because of the way there: nothing, where the host is near.
    pub(super) fn round(&self) -> Duration {
        let known = lock(&self.link).as_ref().map(|link| link.round).or_else(|| self.host.round());
        known.unwrap_or_default().saturating_sub(NEAR)
    }

    /// Whether nobody has been there.
    pub(super) fn is_far_unknown(&self) -> bool {
        lock(&self.link).is_none() && self.host.round().is_none()
    }

    /// Where its harness is dead: waits for its guardian to be done with it, for as long as that may take.
    pub(crate) async fn ends_by_itself(&self) {
        if self.proof().is_some() {
            return;
        }
        let ended = async {
            let Reached::Guardian(link) = self.reach().await? else { return Ok(()) };
            self.answer(&link, |heard| heard.gone.is_some() || heard.deaf).await
        };
        match timeout(ORPHAN + BRINK, ended).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a task of a dead harness cannot be reached"),
            Err(_) => tracing::debug!("a task of a dead harness takes long to end"),
        }
    }

    fn reached(&self, link: Arc<Connection>) -> Reached {
        if self.ear.borrow().deaf { Reached::Agent(link) } else { Reached::Guardian(link) }
    }

    fn nobody(&self) -> Error {
        Error::new(ErrorKind::UnknownTask, "reach task", self.id.to_string())
    }

    fn contended(&self) -> Error {
        Error::new(ErrorKind::Unavailable, "ask about task", self.id.to_string())
            .because("another harness asks for it again and again")
    }

    /// Waits for an answer.
    pub(super) async fn answer(&self, link: &Connection, wanted: impl Fn(&Heard) -> bool) -> Result<()> {
        tokio::select! {
            biased;
            heard = timeout(ANSWER, self.hears(wanted)) => heard.map_err(|_| {
                let host = &*self.traces.address.destination;
                Error::new(ErrorKind::TimedOut, "ask", host).because("the host does not answer")
            }),
            _ = link.ended() => Err(link.lost()),
        }
    }

    /// The same, where an agent has nothing to do for it: one that is silent meanwhile is doubted.
    async fn quick_answer(&self, link: &Connection, wanted: impl Fn(&Heard) -> bool) -> Result<()> {
        tokio::select! {
            biased;
            answered = self.answer(link, wanted) => answered,
            () = link.silence() => Err(link.silent()),
        }
    }

    /// Who runs, by the guardian's word; `None` where it says that nobody does any more, or is gone.
    pub(super) async fn count(
        &self,
        link: &Connection,
        look: Look<'_>,
    ) -> Result<Option<(Vec<Member>, usize)>> {
        if let Some(counted) = self.count_over(link, look).await? {
            return Ok(counted);
        }
        match self.reach().await? {
            Reached::Guardian(link) => self.count_over(&link, look).await?.ok_or_else(|| self.contended()),
            Reached::Agent(_) => Ok(None),
        }
    }

    /// The same. `None` where another harness took it meanwhile, and was told in our place.
    async fn count_over(
        &self,
        link: &Connection,
        look: Look<'_>,
    ) -> Result<Option<Option<(Vec<Member>, usize)>>> {
        let _turn = self.asking.lock().await;
        self.ear.send_modify(|heard| heard.members = None);
        let word = spawner_core::TaskId::random().to_string();
        let (how, then) = match look {
            Look::Whole => ("", &[][..]),
            Look::Brief { then } => (" brief", then),
        };
        link.tell(self.to_guardian(&format!("look {word}{how}")).ok_or_else(|| self.nobody())?)?;
        then.iter().try_for_each(|words| link.tell(words.clone()))?;
        let its = |heard: &Heard| matches!(&heard.members, Some((of, ..)) if *of == word);
        let told = |heard: &Heard| its(heard) || heard.deaf || heard.gone.is_some();
        self.quick_answer(link, |heard| told(heard) || is_taken(heard, link)).await?;
        let heard = self.ear.borrow();
        // Who was there before that was done is named, though it may be gone by now.
        let counted =
            heard.members.as_ref().filter(|_| its(&heard) && (!then.is_empty() || heard.gone.is_none()));
        Ok(told(&heard).then(|| counted.map(|(_, members, count)| (members.clone(), *count))))
    }

    /// Has the agent look for it, or end it, without its guardian.
    pub(super) async fn ask_agent(&self, link: &Connection, word: &str) -> Result<(Looked, Vec<Member>)> {
        let _turn = self.asking.lock().await;
        self.ear.send_modify(|heard| heard.looked = None);
        link.tell(self.to_agent(word))?;
        self.answer(link, |heard| heard.looked.is_some()).await?;
        let looked = self.ear.borrow().looked.clone();
        looked.ok_or_else(|| self.nobody())
    }

    /// What its guardian wrote down when nobody listened, and whether its control group is there yet.
    pub(crate) async fn read_kept(&self, link: &Connection) -> Result<()> {
        let _turn = self.asking.lock().await;
        self.ear.send_modify(|heard| heard.kept = None);
        let group = self.traces.group.as_deref().unwrap_or("-");
        link.tell(format!("kept {} {group}", self.id))?;
        self.answer(link, |heard| heard.kept.is_some()).await?;
        self.ear.send_modify(|heard| {
            let lines = heard.kept.clone().unwrap_or_default();
            let group_kept = lines.iter().any(|line| line == "group-kept");
            for line in lines {
                let noted = Line::parse(&format!("{} {line}", self.id));
                if let Ok(Line::Task(_, said @ (Said::Exit(_) | Said::Gone { .. }))) = noted {
                    heard.note(said);
                }
            }
            heard.group_kept = group_kept;
        });
        Ok(())
    }

    /// Sends a signal to its main process.
    pub(crate) async fn signal(&self, signal: i32) -> Result<()> {
        match self.signal_once(signal).await? {
            Some(sent) => sent,
            // Sent, if there was anybody to send it to; who is there now was there then.
            None => match self.signal_once(0).await? {
                Some(Ok(())) => Ok(()),
                Some(Err(_)) | None => Err(self.contended()),
            },
        }
    }

    /// The same. `None` where another harness took it meanwhile, and was told in our place.
    async fn signal_once(&self, signal: i32) -> Result<Option<Result<()>>> {
        let ended =
            || Error::new(ErrorKind::UnknownTask, "signal task", self.id.to_string()).because("it has ended");
        if self.exit().is_some() {
            return Ok(Some(Err(ended())));
        }
        let Reached::Guardian(link) = self.reach().await? else { return Ok(Some(Err(ended()))) };
        let _turn = self.asking.lock().await;
        let before = self.ear.borrow().signals;
        let words = self.to_guardian(&format!("signal {signal}")).ok_or_else(|| self.nobody())?;
        link.tell(words)?;
        let told = |heard: &Heard| heard.signals != before || heard.gone.is_some() || heard.deaf;
        self.quick_answer(&link, |heard| told(heard) || is_taken(heard, &link)).await?;
        let heard = self.ear.borrow();
        let sent = if heard.signals.0 > before.0 { Ok(()) } else { Err(ended()) };
        Ok(told(&heard).then_some(sent))
    }

    /// Asks once how it ended, where nobody tells us.
    pub(crate) async fn refresh(&self) -> Result<()> {
        if !self.may_be_taken() {
            return Ok(());
        }
        if let Reached::Agent(link) = self.reach().await? {
            self.read_kept(&link).await?;
            if self.exit().is_none() {
                self.lose("its guardian is gone, and nobody wrote down how it ended");
            }
        }
        Ok(())
    }

    /// Waits for the end of a task of another harness.
    pub(crate) fn follow(self: &Arc<Self>) {
        let live = Arc::clone(self);
        self.host.spawn(async move {
            if live.may_be_taken() {
                return live.seek().await;
            }
            // Its harness hears of it, and whoever asks its guardian takes that away.
            let Some(page) = &live.page else { return };
            while live.exit().is_none() && !live.host.is_closed() {
                if !page.path().exists() {
                    live.lose("its harness destroyed it");
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }

    /// Whether nobody else hears its guardian.
    fn may_be_taken(&self) -> bool {
        self.is_detached()
    }

    /// The end of a task that nobody tells us of: asks for it again and again, over connections that come and go.
    pub(crate) async fn seek(self: Arc<Self>) {
        let mut pause = Duration::from_millis(100);
        while self.exit().is_none() && !self.host.is_closed() {
            let sought = async {
                let Reached::Agent(link) = self.reach().await? else {
                    let link = lock(&self.link).clone().ok_or_else(|| self.nobody())?;
                    tokio::select! {
                        () = self.hears(|heard| heard.exit.is_some() || heard.deaf) => {}
                        _ = link.ended() => {}
                    }
                    return Ok(());
                };
                self.read_kept(&link).await?;
                if self.exit().is_none() {
                    self.lose("its guardian is gone, and nobody wrote down how it ended");
                }
                Ok::<_, Error>(())
            };
            if let Err(error) = sought.await {
                tracing::debug!(%error, "a task is asked for again");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        self.note_end();
    }
}

/// Whether its guardian speaks to another agent than this connection's.
fn is_taken(heard: &Heard, link: &Connection) -> bool {
    heard.taken.as_ref().is_some_and(|by| *by != link.agent.reply)
}
