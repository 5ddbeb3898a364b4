//! The ladder by which every backend ends a task: linger, ask, grace, force, drain, look, release.
//!
//! It is written once, here. A backend supplies the [`Rungs`]; it decides nothing about order, time or
//! verdict. A rung that fails, hangs or panics does not keep the later ones from being tried in the time
//! that is theirs ([`Teardown::SLACK`] is shared by the looking): what went wrong becomes the reason of
//! whatever could not be proved gone.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use crate::attempt::{Missed, Trouble, attempt, attempt_result, catch};
use crate::cleanup::{CleanupOutcome, Evidence, Fate, Resource, ResourceKind};
use crate::error::Result;
use crate::task::Task;
use crate::teardown::{AskScope, Teardown, Timetable, later};
use crate::verdict::Strength;

/// What a backend can do to one task. Every method is cancel-safe: a dropped call may or may not have
/// had its effect, and calling it again is right.
#[async_trait]
pub trait Rungs: Send {
    /// How far earlier calls came; kept by the backend beside the task, so that a second or a resumed
    /// teardown goes on where the first was.
    fn progress(&mut self) -> &mut Progress;

    /// How long one question takes because of where the task is, beyond what it takes here: the way to another
    /// machine and back. The last looks get that much more time.
    fn distance(&self) -> Duration {
        Duration::ZERO
    }

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

    /// What is known without looking, for when looking failed or took too long. What was observed to be
    /// gone keeps its fate; all else is [`Fate::Unverified`]. Counts as
    /// [`Strength::Blind`], whatever it says.
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
    /// Something was left behind, and could not be listed then.
    unlisted: bool,
    elapsed: Duration,
    /// The outcome that proved everything gone. It stays true, so nothing is done after it.
    settled: Option<CleanupOutcome>,
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

    /// Whether an outcome was given that proved everything gone. No rung is called any more then.
    pub fn settled(&self) -> bool {
        self.settled.is_some()
    }
}

/// Climbs the ladder, and judges what was seen at its end.
pub(crate) async fn climb(
    backend: &str,
    task: &Task,
    rungs: &mut dyn Rungs,
    teardown: &Teardown,
    time: &Timetable,
) -> CleanupOutcome {
    if let Some(outcome) = &rungs.progress().settled {
        return outcome.clone();
    }
    let began = Instant::now();
    let mut trouble = Trouble::default();

    let mut empty = linger(rungs, teardown, time, &mut trouble).await;
    if !empty && !teardown.grace.is_zero() && !rungs.progress().escalated {
        empty = ask(rungs, teardown, time, &mut trouble).await;
    }
    if !empty {
        rungs.progress().escalated = true;
        let now = Instant::now();
        let until = later(now, teardown.deadline).min(time.force);
        let by = later(now, teardown.deadline.max(time.share)).min(time.look);
        let forced = attempt_result(by, rungs.force()).await;
        trouble.note("ending it by force", forced);
        watch(rungs, until, &mut trouble).await;
    }
    let mut evidence = look(task, rungs, time).await;
    trouble.explain(&mut evidence);

    let progress = rungs.progress();
    if progress.unlisted && progress.left_behind.is_none() && evidence.strength != Strength::Blind {
        let ended = |resource: &&Resource| {
            matches!(resource.fate, Fate::Terminated | Fate::Killed | Fate::Survived)
                && resource.kind == ResourceKind::Process
        };
        let left: Vec<_> = evidence.resources.iter().filter(ended).cloned().collect();
        let total = left.len();
        progress.left_behind = Some((left, total));
    }
    progress.elapsed += began.elapsed();
    let left_behind = progress.left_behind.clone().unwrap_or_default();
    let (escalated, elapsed) = (progress.escalated, progress.elapsed);
    let outcome = CleanupOutcome::judge((backend, task.id()), evidence, left_behind, escalated, elapsed);
    if outcome.is_clean() {
        rungs.progress().settled = Some(outcome.clone());
    }
    outcome
}

/// Where the main process ended by itself, gives what remains its linger, and notes what is there after.
/// Says whether nothing is left.
async fn linger(rungs: &mut dyn Rungs, teardown: &Teardown, time: &Timetable, trouble: &mut Trouble) -> bool {
    let now = Instant::now();
    let touched = rungs.progress().asked || rungs.progress().escalated;
    let Some(ended_at) = rungs.ended_at().filter(|_| !touched) else {
        return watch(rungs, now, trouble).await == Watched::Empty;
    };
    let until = later(ended_at, teardown.linger).min(time.linger).max(now);
    let watched = watch(rungs, until, trouble).await;
    match watched {
        Watched::Empty => return true,
        Watched::Blind => sleep_until(until).await,
        Watched::Running | Watched::Quiet => {}
    }
    match attempt_result(time.linger, rungs.members()).await {
        // Nothing runs, so the notice of it must be under way.
        Ok((_, 0)) if watched == Watched::Running => {
            return watch(rungs, time.linger, trouble).await == Watched::Empty;
        }
        Ok((_, 0)) => {}
        Ok(left_behind) => rungs.progress().left_behind = Some(left_behind),
        Err(missed) => {
            rungs.progress().unlisted = true;
            trouble.note::<()>("looking at what was left behind", Err(missed));
        }
    }
    false
}

/// Asks, and gives the grace. Says whether nothing is left.
async fn ask(rungs: &mut dyn Rungs, teardown: &Teardown, time: &Timetable, trouble: &mut Trouble) -> bool {
    rungs.progress().asked = true;
    let until = later(Instant::now(), teardown.grace).min(time.grace);
    let asked = attempt_result(until, rungs.ask(teardown.ask)).await;
    let heard = trouble.note("asking it to end", asked).is_some();
    let watched = watch(rungs, until, trouble).await;
    if watched == Watched::Blind && heard {
        // Whoever was asked gets the grace, also where nobody can see what becomes of it.
        sleep_until(until).await;
    }
    watched == Watched::Empty
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    /// The notice came that nothing is left.
    Empty,
    /// It did not come in time.
    Running,
    /// It cannot come any more. Nothing ran when last seen, which proves nothing.
    Quiet,
    /// It cannot come any more, and the members cannot be listed either.
    Blind,
}

/// Waits for the notice that nothing is left. Where there will be none, looks again and again instead, so
/// that what is just ending is not taken for a survivor.
async fn watch(rungs: &mut dyn Rungs, until: Instant, trouble: &mut Trouble) -> Watched {
    match attempt_result(until, rungs.await_empty()).await {
        Ok(()) => return Watched::Empty,
        Err(Missed::TooLong) => return Watched::Running,
        failed @ Err(Missed::Failed(_)) => trouble.note("watching it", failed),
    };
    let mut pause = Duration::from_millis(5);
    loop {
        match attempt_result(until, rungs.members()).await {
            Ok((_, 0)) => return Watched::Quiet,
            Ok(_) | Err(Missed::TooLong) if Instant::now() >= until => return Watched::Running,
            Ok(_) => {}
            Err(_) => return Watched::Blind,
        }
        sleep_until(later(Instant::now(), pause).min(until)).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

/// Looks, and where nothing is left, gives back what was made besides the processes.
async fn look(task: &Task, rungs: &mut dyn Rungs, time: &Timetable) -> Evidence {
    let mut evidence = match attempt_result(time.look, rungs.look()).await {
        Ok(evidence) => evidence,
        Err(Missed::TooLong) => last_known(task, rungs, "nobody answered before the deadline"),
        Err(Missed::Failed(why)) => last_known(task, rungs, &why),
    };
    let left = evidence.resources.iter().any(|resource| resource.fate.is_leftover());
    if evidence.strength == Strength::Blind && !left {
        evidence.add([Resource::unreachable(task, "nobody could look at what is left of it")]);
    } else if !left {
        let released = match attempt(time.release, rungs.release()).await {
            Ok(released) => released,
            Err(missed) => {
                let why = format!("removing what was made for it {}", missed.told());
                let mut known = last_known(task, rungs, &why).resources;
                known
                    .retain(|resource| resource.fate.is_leftover() && resource.kind != ResourceKind::Process);
                if known.is_empty() {
                    known.push(Resource::unreachable(task, &why));
                }
                known
            }
        };
        evidence.add(released);
    }
    evidence
}

/// What is known without looking: no proof, and no claim to have seen something alive.
fn last_known(task: &Task, rungs: &mut dyn Rungs, why: &str) -> Evidence {
    let unreachable = || Evidence::blind(task.record().mechanisms.clone(), Resource::unreachable(task, why));
    let mut evidence = catch(|| rungs.last_known(why)).unwrap_or_else(|_| unreachable());
    evidence.strength = Strength::Blind;
    for resource in &mut evidence.resources {
        if resource.fate == Fate::Survived {
            resource.fate = Fate::Unverified;
        }
    }
    if !evidence.resources.iter().any(|resource| resource.fate.is_leftover()) {
        evidence.add([Resource::unreachable(task, why)]);
    }
    evidence
}
