//! What the tests of the ladder share.
#![allow(dead_code, reason = "every test file uses another part of it")]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Once;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::fake::{FakeSpawner, Fault, Heeds, Script, Step};
use spawner_core::ladder::Progress;
use spawner_core::{
    Admitted, AskScope, Capabilities, Check, CleanupOutcome, Error, ErrorKind, Evidence, Exit, Journal,
    Mechanism, Resource, Result, Rungs, Spawner, Strength, Task, TaskRecord, TaskSpec, TaskState,
    TaskStreams, Teardown,
};
use tokio::time::Instant;

pub(crate) const STEPS_OF_DESTROY: [Step; 6] =
    [Step::AwaitEmpty, Step::Members, Step::Ask, Step::Force, Step::Look, Step::Release];
pub(crate) const FAULTS: [Fault; 3] = [Fault::Fail, Fault::Hang, Fault::Panic];

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Short and all different, so that a test can tell from the time which rungs were waited on.
pub(crate) fn teardown() -> Teardown {
    Teardown::default().linger(ms(200)).grace(ms(3000)).deadline(ms(7000))
}

/// What destroying may take by its contract.
pub(crate) fn bound(teardown: &Teardown) -> Duration {
    teardown.linger + teardown.grace + teardown.deadline + Teardown::SLACK
}

pub(crate) fn script(members: &[Heeds]) -> Script {
    Script { members: members.to_vec(), ..Script::default() }
}

/// A task whose main process exits at once and leaves `rest` behind.
pub(crate) fn ended_leaving(rest: &[Heeds]) -> Script {
    let members = [&[Heeds::Ask], rest].concat();
    Script { exit: Some(Exit::Exited { code: 0 }), ..script(&members) }
}

pub(crate) fn with_fault(mut script: Script, step: Step, fault: Fault) -> Script {
    script.faults.insert(step, fault);
    script
}

pub(crate) async fn start(script: Script) -> (FakeSpawner, Task) {
    quiet_scripted_panics();
    let spawner = FakeSpawner::new(script);
    let task = spawner.spawn_task(&TaskSpec::new(["x"])).await.expect("the script starts it");
    (spawner, task)
}

/// Polls a future until it is done or was polled `times` times; then it is dropped where it stands.
pub(crate) async fn poll_times<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future: Pin<Box<_>> = Box::pin(future);
    let mut polled = 0;
    let polling = poll_fn(|context| {
        if polled == times {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if polled == times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    // What hangs is not woken again, and is dropped where it hangs.
    tokio::time::timeout(Duration::from_hours(1), polling).await.unwrap_or(None)
}

/// Panics that a script asks for are part of the test, and no news.
pub(crate) fn quiet_scripted_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let scripted = info.payload().downcast_ref::<String>();
            if !scripted.is_some_and(|message| message.starts_with("the script says so")) {
                usual(info);
            }
        }));
    });
}

/// A backend that always finds the one resource that it was given; or that cannot look, and claims all
/// the same to know of it for certain.
pub(crate) struct Finding {
    fake: FakeSpawner,
    name: &'static str,
    found: Resource,
    blind: bool,
}

impl Finding {
    pub(crate) fn new(name: &'static str, found: Resource) -> Self {
        Self { fake: FakeSpawner::new(Script::default()), name, found, blind: false }
    }

    pub(crate) fn claiming_without_looking(found: Resource) -> Self {
        Self { blind: true, ..Self::new("boastful", found) }
    }
}

struct FindingRungs {
    progress: Progress,
    found: Resource,
    blind: bool,
}

#[async_trait]
impl Spawner for Finding {
    fn name(&self) -> &str {
        self.name
    }
    fn kind(&self) -> &str {
        self.name
    }
    fn journal(&self) -> &Journal {
        self.fake.journal()
    }
    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        self.fake.recover_task(record).await
    }
    async fn unrecorded(&self) -> Vec<TaskRecord> {
        Vec::new()
    }
    fn capabilities(&self) -> &Capabilities {
        self.fake.capabilities()
    }
    async fn check(&self) -> Result<Check> {
        self.fake.check().await
    }
    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        self.fake.start_task(spec).await
    }
    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        self.fake.task_state(task).await
    }
    async fn wait_task(&self, task: &Task) -> Result<Exit> {
        self.fake.wait_task(task).await
    }
    async fn task_output(&self, task: &Task) -> Result<TaskStreams> {
        self.fake.task_output(task).await
    }
    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        self.fake.signal_task(task, signal).await
    }
    async fn rungs(&self, _: &Task) -> Result<Box<dyn Rungs + '_>> {
        let (progress, found, blind) = (Progress::default(), self.found.clone(), self.blind);
        Ok(Box::new(FindingRungs { progress, found, blind }))
    }
    fn abandoned(&self) -> Vec<CleanupOutcome> {
        self.fake.abandoned()
    }
}

#[async_trait]
impl Rungs for FindingRungs {
    fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }
    fn ended_at(&self) -> Option<Instant> {
        None
    }
    async fn await_empty(&mut self) -> Result<()> {
        Ok(())
    }
    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        Ok((Vec::new(), 0))
    }
    async fn ask(&mut self, _: AskScope) -> Result<()> {
        Ok(())
    }
    async fn force(&mut self) -> Result<()> {
        Ok(())
    }
    async fn look(&mut self) -> Result<Evidence> {
        if self.blind {
            return Err(Error::new(ErrorKind::Lost, "look", "anywhere"));
        }
        Ok(self.last_known(""))
    }
    fn last_known(&mut self, _: &str) -> Evidence {
        let (mechanisms, resources) = (vec![Mechanism::Fake], vec![self.found.clone()]);
        Evidence { mechanisms, strength: Strength::CannotMiss, resources, total: 1, usage: None }
    }
    async fn release(&mut self) -> Vec<Resource> {
        Vec::new()
    }
}
