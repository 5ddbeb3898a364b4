//! The stage of one case: a spawner, a folder, a witness, and what is asserted of every outcome.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use spawner_core::run::{Finished, exit_after_destroy};
use spawner_core::{
    Capability, CleanupOutcome, ErrorKind, Exit, Input, Level, Output, Spawner, Task, TaskSpec, Teardown,
};

use crate::case::{Checked, NotPassed, require};
use crate::enrolment::Enrolment;
use crate::harness;
use crate::judge;
use crate::mischief;
use crate::place;
use crate::state::{self, StateFolder};
use crate::witness::{Engine, LABEL, Witness};

/// How long a workload may take to be where it should be.
const COMING_UP: Duration = Duration::from_secs(20);
/// How long nothing must appear for it to count as not started.
const NOT_STARTED: Duration = Duration::from_millis(100);

pub(crate) struct Scene {
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) enrolment: Enrolment,
    pub(crate) witness: Witness,
    pub(crate) proves: &'static [Capability],
    /// The witnesses of single tasks, and the folders that these need.
    others: Mutex<Vec<(Witness, Arc<tempfile::TempDir>)>>,
    folder: Arc<tempfile::TempDir>,
    state: PathBuf,
    program: PathBuf,
}

impl Scene {
    pub(crate) fn set(
        spawner: Arc<dyn Spawner>,
        enrolment: Enrolment,
        proves: &'static [Capability],
    ) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("spawner-scene-").tempdir().map(Arc::new)?;
        let token = spawner_core::TaskId::random();
        let witness = Witness::new(folder.path().join("lock"), format!("scene-{token}"));
        let (state, program) = (StateFolder::current(), std::env::current_exe()?);
        Ok(Self { spawner, enrolment, witness, proves, others: Mutex::default(), folder, state, program })
    }

    /// A stage with the same spawner and a witness of its own, for one task among several.
    pub(crate) fn another(&self) -> std::io::Result<Self> {
        let other = Self::set(Arc::clone(&self.spawner), self.enrolment.clone(), self.proves)?;
        let seen = (other.witness.clone(), Arc::clone(&other.folder));
        self.others.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        Ok(other)
    }

    /// Ends what is still there of the tasks and the helpers of this case. Gives how many processes and containers
    /// of tasks there were.
    pub(crate) async fn end_survivors(&self) -> Result<usize, String> {
        let others = std::mem::take(&mut *self.others.lock().unwrap_or_else(PoisonError::into_inner));
        let mut ended = 0;
        for witness in others.iter().map(|(witness, _)| witness).chain([&self.witness]) {
            ended += witness.end_survivors().await?;
            if let Some(engine) = self.engine() {
                ended += engine.remove_all(witness.token())?;
            }
        }
        harness::end_remains(self).await.map_err(|error| format!("helpers cannot be ended: {error}"))?;
        Ok(ended)
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
        let spec = TaskSpec::new(own.into_iter().chain(args.into_iter().map(Into::into)));
        self.placed(spec.stdin(Input::Null).stdout(Output::Null).stderr(Output::Null))
    }

    /// The same task, with what it needs of the scene where it runs in a container.
    pub(crate) fn placed(&self, mut spec: TaskSpec) -> TaskSpec {
        if self.contained() {
            let lock = self.witness.lock().parent().unwrap_or(self.folder.path());
            spec.container.volumes = place::volumes(&self.program, [lock, self.folder.path()]);
            spec.container.labels.insert(LABEL.into(), self.witness.token().into());
        }
        spec
    }

    /// Whether tasks run in containers.
    pub(crate) fn contained(&self) -> bool {
        self.level(Capability::Container) != Level::Unsupported
    }

    /// Whether tasks run in another place, whose own environment is what they start from.
    pub(crate) fn elsewhere(&self) -> bool {
        self.contained() || self.level(Capability::UnchangedView) == Level::BestEffort
    }

    /// The engine, where tasks run in containers.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.contained().then(|| self.enrolment.engine())
    }

    /// Waits until the engine has no container of this scene, where there is an engine.
    pub(crate) async fn containers_gone(&self) -> Checked {
        let Some(engine) = self.engine() else { return Ok(()) };
        let give_up = std::time::Instant::now() + self.later();
        loop {
            let left = engine.containers(self.witness.token())?;
            if left.is_empty() {
                return Ok(());
            }
            require!(std::time::Instant::now() < give_up, "these containers are left: {left:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether a task's main process is the first of a pid namespace: its end is the end of everything in there,
    /// and it hears no signal that it has no handler for, not even its own (see pid_namespaces(7)).
    pub(crate) async fn is_first(&self) -> Checked<bool> {
        if !self.contained() {
            return Ok(false);
        }
        let learnt = &self.enrolment.learnt().first;
        if let Some(&first) = learnt.get() {
            return Ok(first);
        }
        let own = self.another()?;
        let task = own.start_ready("well-behaved", &[], 1).await?;
        let first = own.witness.living().iter().all(|living| Witness::pid_inside(living.pid).is_some());
        drop(own.end(&task, &Teardown::at_once()).await?);
        Ok(*learnt.get_or_init(|| first))
    }

    /// Skips a case whose workload reads /proc, where there is none in the place in which tasks run.
    pub(crate) async fn needs_proc(&self) -> Checked {
        if !mischief::READS_PROC {
            return Ok(());
        }
        let learnt = &self.enrolment.learnt().proc;
        if learnt.get().is_none() {
            let own = self.another()?;
            let task = own.spawner.spawn_task(&own.script("/bin/sh", "test -e /proc/self/stat", &[])).await?;
            let there = own.wait(&task).await?.success();
            drop(own.end(&task, &Teardown::at_once()).await?);
            learnt.get_or_init(|| there);
        }
        match learnt.get() {
            Some(false) => {
                Err(NotPassed::Skipped("the workload reads /proc, and there is none where tasks run".into()))
            }
            _ => Ok(()),
        }
    }

    /// How soon what ends with its harness must be gone. Another place is told of it first.
    pub(crate) fn soon(&self) -> Duration {
        Duration::from_secs(if self.elsewhere() { 5 } else { 1 })
    }

    /// How soon where somebody who is stopped has to be noticed first; and what is no process may take as long.
    pub(crate) fn later(&self) -> Duration {
        Duration::from_secs(if self.elsewhere() { 10 } else { 3 })
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
                if let Some(cleanup) = cleanup {
                    require!(false, "the refused start left something behind: {error}; {cleanup}");
                }
            }
        }
        if let Some(engine) = self.engine() {
            let made = engine.containers(self.witness.token())?;
            require!(made.is_empty(), "the refused start left containers: {made:?}");
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
