//! The trait that every backend implements.

use std::borrow::Cow;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::admission::{Admitted, admit};
use crate::attempt::{Missed, attempt_result};
use crate::capability::Capabilities;
use crate::cleanup::{CleanupOutcome, Evidence, Resource};
use crate::error::Result;
use crate::exit::Exit;
use crate::journal::Journal;
use crate::ladder::{Rungs, climb};
use crate::spec::TaskSpec;
use crate::stream::TaskStreams;
use crate::task::{Task, TaskRecord, TaskState};
use crate::teardown::{Teardown, Timetable};

/// Starts tasks in one kind of place, and gets rid of everything that they made.
///
/// Callers use [`spawn_task`](Spawner::spawn_task) and [`destroy_task`](Spawner::destroy_task), which are
/// written here, once: the first refuses what the backend does not support, the second climbs the
/// [ladder](crate::ladder) and judges the evidence. A backend writes the others.
///
/// ```no_run
/// # async fn example(spawner: &dyn spawner_core::Spawner) -> spawner_core::Result<()> {
/// use spawner_core::{TaskSpec, Teardown};
///
/// let task = spawner.spawn_task(&TaskSpec::new(["make", "check"])).await?;
/// let exit = spawner.wait_task(&task).await?;
/// let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
/// println!("{exit}; {outcome}");
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Spawner: Send + Sync {
    /// The name of this backend: the one given in the configuration, else its kind.
    fn name(&self) -> &str;

    /// The kind of this backend, whatever its name; records of tasks are told apart by it.
    fn kind(&self) -> &str;

    /// Where this backend puts on record what it is about to create.
    fn journal(&self) -> &Journal;

    /// What this backend promises on this host. The answer does not change while the backend lives.
    fn capabilities(&self) -> &Capabilities;

    /// Whether the backend answers *now*, which is another question than what it can do.
    /// Starts no task. Repeatable and cancel-safe.
    async fn check(&self) -> Result<Check>;

    /// Starts a task that was checked. For backends to write, and for [`Spawner::spawn_task`] to call.
    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task>;

    /// Starts a task.
    ///
    /// * Refuses, with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) and before anything was
    ///   started, a specification that asks for what the backend does not support; and with
    ///   [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) one that makes no sense.
    /// * Returns once the program was executed; that it cannot be found or executed is an error here.
    /// * On an error nothing is left: what was already made was torn down, and
    ///   [`Error::cleanup`](crate::Error::cleanup) accounts for it where there was anything.
    /// * Cancel-safe: where the future is dropped, what was made is torn down too, and
    ///   [`Spawner::abandoned`] accounts for it.
    async fn spawn_task(&self, spec: &TaskSpec) -> Result<Task> {
        let admitted = admit(self.name(), || self.capabilities(), spec)?;
        self.start_task(admitted).await
    }

    /// Whether the task is alive. Repeatable and cancel-safe; does not wait.
    async fn task_state(&self, task: &Task) -> Result<TaskState>;

    /// Waits for the task's main process to end, and says how. Does not wait for anything else of the
    /// task, nor for its streams. Repeatable, concurrently too, and cancel-safe. Unbounded: a task may run
    /// for ever.
    async fn wait_task(&self, task: &Task) -> Result<Exit>;

    /// Hands out the embedder's ends of the task's streams, once; the second call is
    /// [`ErrorKind::Taken`](crate::ErrorKind::Taken).
    async fn task_output(&self, task: &Task) -> Result<TaskStreams>;

    /// Sends a signal to the task's main process. A task that has ended is
    /// [`ErrorKind::UnknownTask`](crate::ErrorKind::UnknownTask): the signal goes to nobody else.
    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()>;

    /// The rungs by which this backend ends `task`, held exclusively: a second caller waits here until
    /// the first is done or dropped.
    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>>;

    /// Gets rid of everything that the task made, and says truthfully what it could not get rid of.
    ///
    /// * There is always an outcome; it comes within `linger + grace + deadline` plus
    ///   [`Teardown::SLACK`] (and what the way to another machine takes), also where the backend hangs, fails or panics.
    /// * Fine to call on a task that has ended, again, and concurrently. A clean outcome stays clean; one
    ///   that was not may become so when it is called again and what was left has gone.
    /// * Cancel-safe: a dropped call leaves the task as far as it had come; calling again goes on.
    async fn destroy_task(&self, task: &Task, teardown: &Teardown) -> CleanupOutcome {
        let began = Instant::now();
        let time = Timetable::new(began, teardown);
        // Where another call is at it until late, there is still time to look afterwards.
        let why = match attempt_result(time.force, self.rungs(task)).await {
            Ok(mut rungs) => {
                let time = time.widened(rungs.distance());
                let outcome = climb(self.name(), task, rungs.as_mut(), teardown, &time).await;
                self.journal().note_left(&outcome);
                tracing::debug!(task = %task.id(), verdict = %outcome.verdict(), "destroyed");
                return outcome;
            }
            Err(Missed::TooLong) => "another call that destroys it is still at work".to_owned(),
            Err(Missed::Failed(why)) => why,
        };
        let mechanisms = task.record().mechanisms.clone();
        let evidence = Evidence::blind(mechanisms, Resource::unreachable(task, &why));
        CleanupOutcome::judge((self.name(), task.id()), evidence, Default::default(), false, began.elapsed())
    }

    /// A task that another harness started, to be used as an own one: a detached one, to wait for and to
    /// destroy; or what a dead harness left, to destroy.
    ///
    /// * Starts nothing and ends nothing. Repeatable and cancel-safe.
    /// * A task of a harness that lives can be recovered too; to destroy it takes it away from its harness,
    ///   which sees it end.
    /// * A task that is on no record, or was proved gone and accounted for, is
    ///   [`ErrorKind::UnknownTask`](crate::ErrorKind::UnknownTask).
    /// * Its streams went with its harness: [`task_output`](Spawner::task_output) is
    ///   [`ErrorKind::Taken`](crate::ErrorKind::Taken).
    async fn recover_task(&self, record: &TaskRecord) -> Result<Task>;

    /// Brings what a detached task has written by now to where its record says that it is kept; goes on until its
    /// main process has ended where `follow`. For backends whose tasks' output is kept elsewhere; the others, whose
    /// output is there already, do nothing. Repeatable, concurrently too, and cancel-safe.
    async fn keep_output(&self, task: &Task, follow: bool) -> Result<()> {
        let _ = (task, follow);
        Ok(())
    }

    /// What bears the marks of this backend, is in no journal, and belongs to harnesses that are dead.
    async fn unrecorded(&self) -> Vec<TaskRecord>;

    /// Resolves everything of this kind of backend on this host whose harness is dead: ends what is left by
    /// force, looks, and says what became of it, one outcome for each task. What is proved gone, or was looked
    /// for with everything that this host has, is off the record after it.
    ///
    /// * Never touches a task of a harness that lives, a detached one, or another user's.
    /// * Safe to call again, concurrently, and from several processes. Cancel-safe: a later call goes on.
    /// * Damaged records are logged and kept.
    async fn sweep(&self) -> Vec<CleanupOutcome> {
        crate::sweep::sweep(self).await
    }

    /// The outcomes of starts that failed or were dropped after something had been made, since the last
    /// call.
    fn abandoned(&self) -> Vec<CleanupOutcome>;
}

/// What a backend found when it was asked whether it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What answered, in a line: a version, a mechanism.
    pub answered: Cow<'static, str>,
    /// What a person should know besides: what is missing, and how to get it.
    pub notes: Vec<String>,
}
