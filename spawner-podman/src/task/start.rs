//! The start of a task: record, helper, container, streams, program. Each step can fail, be cut off or cancelled; what
//! was made by then is undone.

mod on_record;
mod undo;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use spawner_core::carry::{self, Opened};
use spawner_core::journal::Page;
use spawner_core::{
    Capability, Error, ErrorKind, Lifetime, Mechanism, Pull, Result, StartGuard, Task, TaskId, TaskRecord,
    TaskSpec, TaskStreams,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::live::Live;
use super::streams::Carrier;
use super::wish::{Wish, docker_body, podman_body};
use super::{obstacle, terminal};
use crate::backend::{PodmanSpawner, Shared};
use crate::engine::{Brand, Engine, Seen, is_image_missing, status};
use crate::local::{Local, Traces};
use crate::remains::labels;

/// How long an engine may take for one step of a start.
const PATIENCE: Duration = Duration::from_secs(30);

impl PodmanSpawner {
    pub(crate) async fn start(&self, spec: &TaskSpec) -> Result<Task> {
        let shared = &self.shared;
        let mut record = TaskRecord::of(TaskId::random(), &shared.name, spec);
        record.mechanisms = vec![Mechanism::ContainerEngine];
        let name = format!("spawner-{}", record.id);
        let mut wish = Wish::of(&name, spec, &shared.config, labels(&record), &record)?;
        let opened = carry::open(spec)?;
        wish.stdin = opened.has_input();
        let engine = shared.engine().await?;
        if wish.pull == Pull::Always {
            shared.pull(&engine, &wish.image).await?;
        }
        // More at one time would only wait for one another in the engine, each with its own deadline running.
        let _turn = shared.turns.acquire().await;
        let birth = Birth::prepare(shared, engine, record, wish, spec)?;
        let undo = Arc::clone(&birth);
        let guard = StartGuard::new(&shared.ledger, move || undo.undo());
        self.sweep_aside(birth.record.id);
        match birth.give(opened).await {
            Ok(task) => {
                guard.succeed();
                Ok(task)
            }
            Err(error) => Err(guard.fail(obstacle::explain(error, &birth.wish)).await),
        }
    }
}

/// A container that is being made.
struct Birth {
    shared: Arc<Shared>,
    engine: Engine,
    record: TaskRecord,
    wish: Wish,
    linger: Duration,
    page: Option<Page>,
    /// The request to create it, which goes on when nobody waits for it any more: an engine cannot be called back.
    making: tokio::sync::Mutex<Option<JoinHandle<Result<String>>>>,
    made: Mutex<Made>,
    /// How it is found without the engine, once that said where it is.
    found: Mutex<Option<Traces>>,
}

/// Whether there is a container.
#[derive(Debug, Clone, Default)]
enum Made {
    /// The engine was not asked.
    #[default]
    Unasked,
    /// It said that it did not make one.
    Refused,
    /// It was asked, and its answer is not known.
    Asked,
    /// There is one, with this full id.
    Yes(String),
}

impl Birth {
    async fn give(&self, opened: Opened) -> Result<Task> {
        let id = self.make().await?;
        let engine = &self.engine;
        let by = Instant::now() + PATIENCE;
        let (mut carrier, mut streams) = (None, TaskStreams::default());
        if opened.is_needed() {
            let attached = engine.attach(&id, opened.has_input(), opened.terminal, by).await?;
            let (joined, ends) = Carrier::join(attached, opened, engine, &id);
            (carrier, streams) = (Some(joined), ends);
        } else {
            engine.init(&id, by).await?;
        }
        let mut traces = Traces { id: id.clone(), ..Traces::of(&*self.wish.name, engine.endpoint().clone()) };
        let (mut local, mut seen) = (None, None);
        if engine.brand() == Brand::Podman {
            // It is there, and waits: who it is can be found out before it runs, however short it runs.
            let found = self.find(&id, &mut traces).await?;
            (local, seen) = (found.0, Some(found.1));
            terminal::fit(engine, &id, self.wish.terminal).await;
        } else {
            obstacle::made_folder(engine, &id, &self.wish, by).await?;
        }
        let runtime = local.as_ref().and_then(Local::name);
        engine.start(&id, by).await?;
        if local.is_none() {
            let found = self.find(&id, &mut traces).await?;
            (local, seen) = (found.0, Some(found.1));
        }
        if let Some(local) = &local {
            local.program_runs(runtime.as_deref()).await;
        }
        if engine.brand() == Brand::Docker {
            terminal::fit(engine, &id, self.wish.terminal).await;
        }
        let mut record = self.record.clone();
        record.leader.clone_from(&traces.init);
        self.note(&record, &traces);
        let had = (traces, local, Some(engine.clone()));
        let mut live =
            Live::new(record.clone(), self.linger, Arc::clone(&self.shared.config), had, self.page.clone())
                .with_ends(streams);
        live.limited = self.wish.memory.is_some();
        if let Some(seen) = &seen {
            live.account.note(seen);
        }
        let live = Arc::new(live);
        if let Some(flow) = carrier.and_then(|carrier| carrier.start(&live)) {
            live.flows(flow.clone());
            self.shared.flows.add(flow);
        }
        live.watch();
        Ok(self.shared.tasks.enter(record, live))
    }

    /// Has the engine make it, and fetch the image where that has gone meanwhile.
    async fn make(&self) -> Result<String> {
        match self.ask().await {
            Err(error) if is_image_missing(&error) && self.wish.pull != Pull::Never => {
                self.shared.pull(&self.engine, &self.wish.image).await?;
                self.renew()?;
                self.ask().await
            }
            other => other,
        }
    }

    async fn ask(&self) -> Result<String> {
        let mut making = self.making.lock().await;
        let (engine, wish) = (self.engine.clone(), self.wish.clone());
        self.becomes(Made::Asked);
        let asked = making.insert(tokio::spawn(async move { create(&engine, &wish).await }));
        let answer = (&mut *asked).await;
        *making = None;
        self.heard(answer)
    }

    fn heard(&self, answer: Result<Result<String>, tokio::task::JoinError>) -> Result<String> {
        let answer = answer.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Lost, "create container", self.wish.name.clone()).because(error))
        });
        match &answer {
            Ok(id) => self.becomes(Made::Yes(id.clone())),
            Err(error) if was_not_asked(error) => self.becomes(Made::Unasked),
            Err(error) if status(error).is_some_and(is_of_engine) => self.becomes(Made::Refused),
            Err(_) => {}
        }
        answer
    }

    fn becomes(&self, made: Made) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = made;
    }

    /// Looks for it among the processes of this host.
    async fn find(&self, id: &str, traces: &mut Traces) -> Result<(Option<Local>, Seen)> {
        let seen = self.engine.inspect(id, Instant::now() + PATIENCE).await?;
        let seen = seen.ok_or_else(|| {
            Error::new(ErrorKind::Lost, "start container", id).because("somebody removed it meanwhile")
        })?;
        traces.hear(&seen);
        let local = Local::find(&seen);
        if let Some(local) = &local {
            traces.learn(local);
        }
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(traces.clone());
        if local.is_some() && self.record.lifetime == Lifetime::Harness {
            self.shared.keep.started(self.record.id, traces);
        }
        Ok((local, seen))
    }
}

/// Whether a request failed because nobody was there who could have heard it.
fn was_not_asked(error: &Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| matches!(source.kind(), NotFound | ConnectionRefused | PermissionDenied))
}

/// Whether an answer of this status is the engine's own, and not of something between that does not know what the
/// engine does.
fn is_of_engine(status: u16) -> bool {
    !(502..=504).contains(&status)
}

/// Has the engine make it. A limit that the engine drops is no limit.
async fn create(engine: &Engine, wish: &Wish) -> Result<String> {
    let by = Instant::now() + PATIENCE;
    if engine.brand() == Brand::Docker {
        return engine.create(&wish.name, docker_body(wish), by).await;
    }
    let (id, warnings) = engine.make(&wish.name, &podman_body(wish), by).await?;
    let limited = wish.memory.is_some() || wish.pids.is_some() || wish.cpus.is_some();
    let dropped = warnings.iter().find(|warning| {
        let warning = warning.to_lowercase();
        limited && ["limit", "memory", "cpu", "cgroup"].iter().any(|word| warning.contains(word))
    });
    if let Some(why) = dropped {
        let memory = wish.memory.map(|_| Capability::LimitMemory);
        let limit = memory.or(wish.pids.map(|_| Capability::LimitPids)).unwrap_or(Capability::LimitCpu);
        return Err(Error::new(ErrorKind::Unsupported(limit), "limit container", id).because(why.clone()));
    }
    for why in warnings {
        tracing::warn!(container = id, why, "the engine warns");
    }
    Ok(id)
}
