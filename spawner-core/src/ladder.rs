//! The ladder by which every backend ends a task: linger, ask, grace, force, drain, look, release.
//!
//! It is written once, here. A backend supplies the [`Rungs`]; it decides nothing about order, time or
//! verdict. A rung that fails or hangs does not keep the later ones from being tried: what went wrong
//! becomes the reason of whatever could not be proved gone.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use crate::cleanup::{CleanupOutcome, Evidence, Resource};
use crate::error::Result;
use crate::teardown::{AskScope, Teardown};

/// What a backend can do to one task. Every method is cancel-safe: a dropped call may or may not have
/// had its effect, and calling it again is right.
#[async_trait]
pub trait Rungs: Send {
    /// How far earlier calls came; kept by the backend beside the task, so that a second or a resumed
    /// teardown goes on where the first was.
    fn progress(&mut self) -> &mut Progress;

    /// When the main process ended, if it did.
    fn ended_at(&self) -> Option<Instant>;

    /// Returns when it was observed that no member is left; by notification, not by looking again and
    /// again. An error says that this can no longer be observed.
    async fn await_empty(&mut self) -> Result<()>;

    /// What is running now: at most [`Evidence::LISTED`] members, and their full number.
    async fn members(&mut self) -> Result<(Vec<Resource>, usize)>;

    /// Sends the termination request (SIGTERM, then SIGCONT so that stopped members hear it).
    async fn ask(&mut self, scope: AskScope) -> Result<()>;

    /// Ends every member by force, and goes on doing so for members that appear, until none is left.
    async fn force(&mut self) -> Result<()>;

    /// Looks at what is there now, and says what became of everything.
    async fn look(&mut self) -> Result<Evidence>;

    /// What is known without looking, for when looking failed or took too long: never
    /// [`Strength::CannotMiss`](crate::Strength).
    fn last_known(&mut self, why: &str) -> Evidence;

    /// Gives back what was made for the task besides its processes, once nothing runs any more, and says
    /// what became of it. Called again after a failure, it tries again.
    async fn release(&mut self) -> Vec<Resource>;
}

/// How far the teardown of one task has come. Only the ladder writes it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    asked: bool,
    escalated: bool,
    left_behind: Option<(Vec<Resource>, usize)>,
    elapsed: Duration,
    settled: bool,
}

impl Progress {
    /// Whether the task has been asked to end.
    pub fn asked(&self) -> bool {
        self.asked
    }

    /// Whether force has been used.
    pub fn escalated(&self) -> bool {
        self.escalated
    }

    /// Whether an outcome was given that proved everything gone.
    pub fn settled(&self) -> bool {
        self.settled
    }
}

/// Climbs the ladder, and judges what was seen at its end.
pub(crate) async fn climb(backend: &str, rungs: &mut dyn Rungs, teardown: &Teardown) -> CleanupOutcome {
    let began = Instant::now();
    let hard = began + teardown.linger + teardown.grace + teardown.deadline + Teardown::SLACK;
    let mut trouble = Trouble::default();

    let mut empty = linger(rungs, teardown, began, hard, &mut trouble).await;
    if !empty && !teardown.grace.is_zero() && !rungs.progress().escalated {
        rungs.progress().asked = true;
        let asked = timeout_at(hard, rungs.ask(teardown.ask)).await;
        trouble.note("asking it to end", asked);
        empty = emptied(rungs, Instant::now() + teardown.grace, hard, &mut trouble).await;
    }
    if !empty {
        rungs.progress().escalated = true;
        let forced = timeout_at(hard, rungs.force()).await;
        trouble.note("ending it by force", forced);
        emptied(rungs, Instant::now() + teardown.deadline, hard, &mut trouble).await;
    }

    let mut evidence = match timeout_at(hard, rungs.look()).await {
        Ok(Ok(evidence)) => evidence,
        Ok(Err(error)) => rungs.last_known(&error.to_string()),
        Err(_) => rungs.last_known("nobody answered before the deadline"),
    };
    if !evidence.resources.iter().any(|resource| resource.fate.is_leftover()) {
        match timeout_at(hard, rungs.release()).await {
            Ok(released) => {
                evidence.total += released.len();
                evidence.resources.extend(released);
            }
            Err(_) => evidence = rungs.last_known("what was made for it could not be removed in time"),
        }
    }
    trouble.explain(&mut evidence);

    let progress = rungs.progress();
    if !progress.settled {
        progress.elapsed += began.elapsed();
    }
    let left_behind = progress.left_behind.clone().unwrap_or_default();
    let (escalated, elapsed) = (progress.escalated, progress.elapsed);
    let outcome = CleanupOutcome::judge(backend, evidence, left_behind, escalated, elapsed);
    rungs.progress().settled |= outcome.is_clean();
    outcome
}

/// Where the main process ended by itself, gives what remains its linger, and notes what is there after.
async fn linger(
    rungs: &mut dyn Rungs,
    teardown: &Teardown,
    began: Instant,
    hard: Instant,
    trouble: &mut Trouble,
) -> bool {
    let touched = rungs.progress().asked || rungs.progress().escalated;
    let Some(ended_at) = rungs.ended_at().filter(|_| !touched) else {
        return emptied(rungs, began, hard, trouble).await;
    };
    let until = (ended_at + teardown.linger).max(began);
    if emptied(rungs, until, hard, trouble).await {
        return true;
    }
    match timeout_at(hard, rungs.members()).await {
        Ok(Ok((members, total))) if total > 0 => rungs.progress().left_behind = Some((members, total)),
        Ok(Ok(_)) => {}
        other => trouble.note("looking at what was left behind", other),
    }
    false
}

/// Waits for the notice that nothing is left; `false` where it did not come in time.
async fn emptied(rungs: &mut dyn Rungs, until: Instant, hard: Instant, trouble: &mut Trouble) -> bool {
    match timeout_at(until.min(hard), rungs.await_empty()).await {
        Ok(Ok(())) => true,
        Ok(error @ Err(_)) => {
            trouble.note("watching it", Ok(error));
            false
        }
        Err(_) => false,
    }
}

/// What went wrong on the way; the reason of what is left over in the end.
#[derive(Default)]
struct Trouble(Vec<String>);

impl Trouble {
    fn note<T>(&mut self, doing: &str, result: Result<Result<T>, tokio::time::error::Elapsed>) {
        let why = match result {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => format!("{doing} failed: {error}"),
            Err(_) => format!("{doing} took too long"),
        };
        tracing::debug!(why, "a rung of the ladder failed");
        if !self.0.contains(&why) {
            self.0.push(why);
        }
    }

    fn explain(&self, evidence: &mut Evidence) {
        if self.0.is_empty() {
            return;
        }
        for resource in evidence.resources.iter_mut().filter(|resource| resource.fate.is_leftover()) {
            let told = self.0.join("; ");
            resource.reason = Some(match resource.reason.take() {
                Some(reason) => format!("{reason}; {told}"),
                None => told,
            });
        }
    }
}
