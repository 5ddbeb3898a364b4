//! One task, as the harness knows it.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spawner_core::journal::Page;
use spawner_core::ladder::Progress;
use spawner_core::{
    Error, ErrorKind, Evidence, Exit, Lifetime, Mechanism, ProcessIdentity, Result, TaskId, TaskRecord,
};
use tokio::time::Instant;

use super::keeper_link::{KeeperLink, KeeperState};
use crate::linux::remains::Remains;
use crate::linux::sys;
use crate::linux::words::{Ended, Member, Sight};
use crate::unix::stdio::Ends;
use crate::unix::streams::Over;

/// What the backend knows of one task.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: TaskId,
    pub(crate) leader: Option<ProcessIdentity>,
    pub(crate) mechanisms: Vec<Mechanism>,
    /// The command name, for when nobody can look any more.
    pub(crate) name: String,
    pub(crate) linger: Duration,
    /// Its record, where it is on one.
    pub(crate) page: Option<Page>,
    pub(crate) detached: bool,
    /// How it is found where neither keeper nor supervisor has it any more.
    pub(crate) remains: Remains,
    /// What was seen of it then, and killed.
    pub(crate) struck: Mutex<Vec<Member>>,
    /// Which of its keeper's tasks this is.
    generation: u32,
    link: Mutex<Option<Arc<KeeperLink>>>,
    pub(crate) ends: Mutex<Option<Ends>>,
    pub(crate) progress: Arc<tokio::sync::Mutex<Progress>>,
    memo: Mutex<Memo>,
}

/// What stays known after the keeper has gone to another task, or has died.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memo {
    pub(crate) exit: Option<(Exit, Instant)>,
    /// The evidence by which it was proved gone.
    pub(crate) proof: Option<Evidence>,
}

impl Live {
    /// A task that `record` describes and `keeper` has; `None` where nobody has it any more.
    pub(crate) fn new(
        record: &TaskRecord,
        linger: Duration,
        keeper: Option<Arc<KeeperLink>>,
        remains: Remains,
        page: Option<Page>,
    ) -> Self {
        let program = record.argv.first().map(OsString::as_os_str).unwrap_or_default();
        let name = Path::new(program).file_name().unwrap_or(program);
        Self {
            id: record.id,
            leader: record.leader.clone(),
            mechanisms: record.mechanisms.clone(),
            name: name.to_string_lossy().into_owned(),
            linger,
            page,
            detached: record.lifetime == Lifetime::Detached,
            remains,
            struck: Mutex::default(),
            generation: keeper.as_ref().map_or(0, |link| link.link.with(|state| state.task)),
            link: Mutex::new(keeper),
            ends: Mutex::default(),
            progress: Arc::default(),
            memo: Mutex::default(),
        }
    }

    /// The same with the harness's ends of its streams.
    pub(crate) fn with_ends(mut self, ends: Ends) -> Self {
        self.ends = Mutex::new(Some(ends));
        self
    }

    /// The same of which it is known how it ended, and by what it was proved gone.
    pub(crate) fn with_memo(mut self, exit: Option<Exit>, proof: Option<Evidence>) -> Self {
        self.memo = Mutex::new(Memo { exit: exit.map(|exit| (exit, Instant::now())), proof });
        self
    }

    fn memo(&self) -> MutexGuard<'_, Memo> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn proof(&self) -> Option<Evidence> {
        self.memo().proof.clone()
    }

    pub(crate) fn link(&self) -> Option<Arc<KeeperLink>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the main process ended, if that is known by now.
    pub(crate) fn exit(&self) -> Option<(Exit, Instant)> {
        if let Some(exit) = self.memo().exit.clone() {
            return Some(exit);
        }
        let Some(link) = self.link() else { return Some(self.note_lost()) };
        let closed = link.link.is_closed();
        let ended = link.link.with(|state| self.read(state));
        match ended {
            Some(ended) => self.note_exit(ended),
            None if closed => Some(self.note_lost()),
            None => None,
        }
    }

    /// What the keeper said about the end of this task, and not of a later one.
    fn read(&self, state: &KeeperState) -> Option<Heard> {
        if state.task != self.generation {
            return Some(Heard::OfAnother);
        }
        state.ended.map(|(ended, at)| Heard::Ended(ended, at))
    }

    fn note_exit(&self, heard: Heard) -> Option<(Exit, Instant)> {
        let mut memo = self.memo();
        if let (None, Heard::Ended(ended, at)) = (&memo.exit, heard) {
            memo.exit = Some((exit(ended), at));
        }
        memo.exit.clone()
    }

    fn note_lost(&self) -> (Exit, Instant) {
        let why = "the keeper of the task was killed, and could not see the main process's end".to_owned();
        self.memo().exit.get_or_insert_with(|| (Exit::Lost { why }, Instant::now())).clone()
    }

    /// Waits for the end of the main process.
    pub(crate) async fn ended(&self) -> (Exit, Instant) {
        if let Some(exit) = self.exit() {
            return exit;
        }
        let Some(link) = self.link() else { return self.note_lost() };
        match link.link.until(|state| self.read(state)).await {
            Ok(ended) => self.note_exit(ended).unwrap_or_else(|| self.note_lost()),
            Err(_) => self.note_lost(),
        }
    }

    /// Comes when the main process has ended and the linger is over.
    pub(crate) fn over(self: &Arc<Self>) -> Over {
        let live = Arc::clone(self);
        Box::pin(async move {
            let (_, ended_at) = live.ended().await;
            tokio::time::sleep_until(ended_at + live.linger).await;
        })
    }

    /// Waits for the keeper's word that no member is left.
    pub(crate) async fn emptied(&self) -> Result<()> {
        if self.memo().proof.is_some() {
            return Ok(());
        }
        let lost = || {
            Error::new(ErrorKind::Lost, "watch", format!("task {}", self.id)).because("its keeper was killed")
        };
        let Some(link) = self.link() else { return Err(lost()) };
        let generation = self.generation;
        let empty = |state: &mut KeeperState| (state.empty || state.task != generation).then_some(());
        link.link.until(empty).await.map_err(|_| lost())
    }

    /// The keeper's last look at the task, after which it gave everything back, if it has come to that.
    pub(crate) fn gone(&self) -> Option<Box<Sight>> {
        let link = self.link()?;
        link.link.listen();
        link.link.with(|state| state.gone.clone().filter(|_| state.task == self.generation))
    }

    /// Everything was proved gone: keeps what is known, and sets the keeper free.
    pub(crate) fn settle(&self, proof: Evidence) -> Option<Arc<KeeperLink>> {
        let exit = self.exit();
        let mut memo = self.memo();
        memo.exit = memo.exit.clone().or(exit);
        memo.proof.get_or_insert(proof);
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        link.link.with(KeeperState::next_task);
        Some(link)
    }

    /// Lets go of the keeper, which ends the task when it notices.
    pub(crate) fn abandon(&self) {
        if let Some(link) = self.link() {
            link.link.close();
        }
    }
}

/// What a keeper says of a main process.
enum Heard {
    Ended(Ended, Instant),
    /// It is about another task by now; what there was to know of this one was noted before.
    OfAnother,
}

pub(crate) fn exit(ended: Ended) -> Exit {
    if ended.out_of_memory {
        return Exit::OutOfMemory;
    }
    match sys::decode(ended.status) {
        Ok(code) => Exit::Exited { code },
        Err((signal, core)) => Exit::Signalled { signal, core },
    }
}
