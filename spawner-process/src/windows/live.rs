//! One task, as the harness knows it.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spawner_core::journal::Page;
use spawner_core::ladder::Progress;
use spawner_core::{Evidence, Exit, Mechanism, TaskId, TaskRecord};
use tokio::time::Instant;

use super::exit_wait::{ExitWait, Told};
use super::job::Job;
use super::members::Roster;
use super::port::Watch;
use super::process::Process;
use super::scratch::Scratch;
use super::stdio::Ends;

/// How often a job is asked whether it is empty where its word is awaited: what jobs tell may get lost, say the
/// remarks on JOBOBJECT_ASSOCIATE_COMPLETION_PORT.
const DISTRUST: Duration = Duration::from_millis(250);

/// The same for a job of another harness, which alone is told.
const UNTOLD: Duration = Duration::from_millis(20);

/// What the backend knows of one task.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) id: TaskId,
    pub(super) mechanisms: Vec<Mechanism>,
    pub(super) linger: Duration,
    /// Its record, where it is on one.
    pub(super) page: Option<Page>,
    /// `None` where nobody has a handle to it any more, so that nothing is in it.
    pub(super) job: Option<Job>,
    watch: Option<Watch>,
    own: bool,
    /// Its main process. `None` where it had ended before this harness came to know of it.
    pub(super) leader: Option<Arc<Process>>,
    end: Option<ExitWait>,
    /// Why nobody can say how it ended, where that is so.
    lost: &'static str,
    /// When this harness came to know of it.
    since: Instant,
    pub(super) ends: Mutex<Option<Ends>>,
    pub(super) progress: Arc<tokio::sync::Mutex<Progress>>,
    roster: Mutex<Roster>,
    pub(super) scratch: Option<Scratch>,
    proof: Mutex<Option<Evidence>>,
}

/// What a task consists of.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) job: Option<Job>,
    pub(super) watch: Option<Watch>,
    pub(super) own: bool,
    pub(super) leader: Option<Arc<Process>>,
    pub(super) end: Option<ExitWait>,
    pub(super) ends: Option<Ends>,
    pub(super) page: Option<Page>,
    pub(super) scratch: Option<Scratch>,
}

impl Live {
    pub(super) fn new(record: &TaskRecord, linger: Duration, parts: Parts) -> Self {
        let program = record.argv.first().map(OsString::as_os_str).unwrap_or_default();
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
        Self {
            id: record.id,
            mechanisms: record.mechanisms.clone(),
            linger,
            page: parts.page,
            roster: Mutex::new(Roster::with(parts.leader.as_ref(), &name)),
            job: parts.job,
            watch: parts.watch,
            own: parts.own,
            leader: parts.leader,
            end: parts.end,
            lost: "it had ended before this harness came to know of the task",
            since: Instant::now(),
            ends: Mutex::new(parts.ends),
            progress: Arc::default(),
            scratch: parts.scratch,
            proof: Mutex::default(),
        }
    }

    /// Whether this harness started it.
    pub(super) fn is_own(&self) -> bool {
        self.own
    }

    pub(super) fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The evidence by which it was proved gone.
    pub(super) fn proof(&self) -> Option<Evidence> {
        self.proof.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn settle(&self, proof: Evidence) {
        self.proof.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(proof);
    }

    /// How the main process ended, if it has.
    pub(super) fn exit(&self) -> Option<(Exit, Instant)> {
        match &self.end {
            Some(end) => end.now().map(exit),
            None => Some(self.lost()),
        }
    }

    /// Waits for the end of the main process. Cancel-safe.
    pub(super) async fn ended(&self) -> (Exit, Instant) {
        match &self.end {
            Some(end) => exit(end.end().await),
            None => self.lost(),
        }
    }

    fn lost(&self) -> (Exit, Instant) {
        (Exit::Lost { why: self.lost.to_owned() }, self.since)
    }

    /// Waits until the kernel counts nobody in the job. Cancel-safe.
    pub(super) async fn emptied(&self) -> std::io::Result<()> {
        let Some(job) = &self.job else { return Ok(()) };
        loop {
            // Registered before the job is asked, so that no news falls between the two.
            let mut news = self.watch.as_ref().map(|watch| Box::pin(watch.news.notified()));
            if let Some(news) = &mut news {
                news.as_mut().enable();
            }
            if job.account()?.active == 0 {
                return Ok(());
            }
            match news {
                // Not a failure where it is late: the job is asked again.
                Some(news) => drop(tokio::time::timeout(DISTRUST, news).await),
                None => tokio::time::sleep(UNTOLD).await,
            }
        }
    }
}

fn exit(told: Told) -> (Exit, Instant) {
    let exit = match told.code {
        Ok(code) => Exit::Exited { code: code.cast_signed() },
        Err(why) => Exit::Lost { why },
    };
    (exit, told.at)
}
