//! The stage of one case: a spawner, a folder, a witness, and what is asserted of every outcome.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use spawner_core::run::{Finished, exit_after_destroy};
use spawner_core::{
    Capability, CleanupOutcome, ErrorKind, Exit, Input, Level, Output, Spawner, Task, TaskSpec, Teardown,
};

use crate::case::{Checked, NotPassed, require};
use crate::enrolment::Enrolment;
use crate::judge;
use crate::mischief;
use crate::state::{self, StateFolder};
use crate::witness::Witness;

/// How long a workload may take to be where it should be.
const COMING_UP: Duration = Duration::from_secs(20);
/// How long nothing must appear for it to count as not started.
const NOT_STARTED: Duration = Duration::from_millis(100);

pub(crate) struct Scene {
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) enrolment: Enrolment,
    pub(crate) witness: Witness,
    pub(crate) proves: &'static [Capability],
    folder: tempfile::TempDir,
    state: PathBuf,
    program: PathBuf,
}

impl Scene {
    pub(crate) fn set(
        spawner: Arc<dyn Spawner>,
        enrolment: Enrolment,
        proves: &'static [Capability],
    ) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("spawner-scene-").tempdir()?;
        let token = spawner_core::TaskId::random();
        let witness = Witness::new(folder.path().join("lock"), format!("scene-{token}"));
        let (state, program) = (StateFolder::current(), std::env::current_exe()?);
        Ok(Self { spawner, enrolment, witness, proves, folder, state, program })
    }

    /// A stage with the same spawner and a witness of its own, for one task among several.
    pub(crate) fn another(&self) -> std::io::Result<Self> {
        Self::set(Arc::clone(&self.spawner), self.enrolment.clone(), self.proves)
    }

    /// The folder in which the backends of this case, here and in harnesses, keep their state.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// The names of the files in that folder.
    pub(crate) fn on_record(&self) -> Vec<String> {
        state::files(&self.state)
    }

    /// The same stage and witness for another instance of the backend.
    pub(crate) fn with_witness(&self, spawner: Arc<dyn Spawner>) -> std::io::Result<Self> {
        let own = Self::set(spawner, self.enrolment.clone(), self.proves)?;
        Ok(Self { witness: self.witness.clone(), ..own })
    }

    /// The program that runs the workloads.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A path in the scene's own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A task that is the workload `name`, with all its streams closed.
    pub(crate) fn spec<A: Into<OsString>>(&self, name: &str, args: impl IntoIterator<Item = A>) -> TaskSpec {
        let own: [OsString; 5] = [
            self.program.clone().into(),
            mischief::ARGUMENT.into(),
            name.into(),
            self.witness.lock().into(),
            self.witness.token().into(),
        ];
        TaskSpec::new(own.into_iter().chain(args.into_iter().map(Into::into)))
            .stdin(Input::Null)
            .stdout(Output::Null)
            .stderr(Output::Null)
    }

    /// A task that is a shell script, with the scene's lock, and `$1` and so on from `args`.
    pub(crate) fn script(&self, shell: &str, script: &str, args: &[&str]) -> TaskSpec {
        let own = [shell, "-c", script, self.witness.token()];
        self.spec("becomes", own.iter().chain(args).copied())
    }

    /// Starts a task that is the workload `name`.
    pub(crate) async fn start(&self, name: &str, args: &[&str]) -> Checked<Task> {
        Ok(self.spawner.spawn_task(&self.spec(name, args.iter().copied())).await?)
    }

    /// Starts a workload, and waits until `count` of its processes are where they should be.
    pub(crate) async fn start_ready(&self, name: &str, args: &[&str], count: u64) -> Checked<Task> {
        let task = self.start(name, args).await?;
        self.ready(count).await?;
        Ok(task)
    }

    pub(crate) async fn ready(&self, count: u64) -> Checked {
        Ok(self.witness.await_ready(count, COMING_UP).await?)
    }

    /// Waits for the main process, in time.
    pub(crate) async fn wait(&self, task: &Task) -> Checked<Exit> {
        let limit = Duration::from_secs(20);
        match tokio::time::timeout(limit, self.spawner.wait_task(task)).await {
            Ok(exit) => Ok(exit?),
            Err(_) => Err(NotPassed::Failed(format!("wait_task said nothing within {limit:?}"))),
        }
    }

    /// Waits for the main process, which must end in this way.
    pub(crate) async fn wait_for(&self, task: &Task, expected: &Exit) -> Checked {
        let exit = self.wait(task).await?;
        require!(&exit == expected, "the task {exit}, and it should be: {expected}");
        Ok(())
    }

    /// Destroys the task and asserts what holds of every outcome.
    pub(crate) async fn end(&self, task: &Task, teardown: &Teardown) -> Checked<CleanupOutcome> {
        let outcome = self.spawner.destroy_task(task, teardown).await;
        // At once: a clean outcome that becomes true only later was false.
        judge::outcome(self, &outcome, teardown)?;
        let exit = exit_after_destroy(self.spawner.as_ref(), task).await;
        let finished = Finished { task: task.clone(), exit, cleanup: outcome };
        judge::report(&finished)?;
        Ok(finished.cleanup)
    }

    /// How far the backend supports `capability`.
    pub(crate) fn level(&self, capability: Capability) -> Level {
        self.spawner.capabilities().get(capability).level()
    }

    pub(crate) fn guaranteed(&self, capability: Capability) -> bool {
        self.level(capability) == Level::Guaranteed
    }

    /// Whether the backend guarantees that what this case makes is ended, and proved to be gone.
    pub(crate) fn must_be_clean(&self) -> bool {
        use Capability::{EndEverything, EndForkStorm, EndOtherUsers, ProveClean};
        let special = self.proves.iter().filter(|proved| matches!(proved, EndForkStorm | EndOtherUsers));
        special.chain(&[EndEverything, ProveClean]).all(|&needed| self.guaranteed(needed))
    }

    /// Where the backend does not support `capability`: asserts that it refuses `spec` with the typed
    /// error and starts nothing, and gives `true`.
    pub(crate) async fn refuses(&self, capability: Capability, spec: &TaskSpec) -> Checked<bool> {
        if self.level(capability) != Level::Unsupported {
            return Ok(false);
        }
        self.fails(spec, &[ErrorKind::Unsupported(capability)]).await?;
        Ok(true)
    }

    /// Asserts that `spec` is refused with an error of one of `kinds`, and that nothing is started.
    pub(crate) async fn fails(&self, spec: &TaskSpec, kinds: &[ErrorKind]) -> Checked {
        match self.spawner.spawn_task(spec).await {
            Ok(task) => {
                let outcome = self.spawner.destroy_task(&task, &Teardown::at_once()).await;
                let what = format!("it was started, although it should be refused as {kinds:?} ({outcome})");
                return Err(NotPassed::Failed(what));
            }
            Err(error) => {
                let kind = error.kind();
                require!(kinds.contains(&kind), "refused as {kind:?} and not as {kinds:?}: {error}");
                let cleanup = error.cleanup().filter(|cleanup| !cleanup.is_clean());
                require!(cleanup.is_none(), "the refused start left something behind: {error}");
            }
        }
        let began = std::time::Instant::now();
        while began.elapsed() < NOT_STARTED {
            let started = self.witness.ready() > 0 || self.witness.gone().is_err();
            require!(!started, "something was started, although it was refused");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}
