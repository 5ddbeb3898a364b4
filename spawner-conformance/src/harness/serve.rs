//! The life of a harness that the suite has started.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use spawner_core::{Result, Spawner, Task, TaskId, TaskSpec, Teardown};
use tokio::runtime::{Builder, Runtime};

use super::words::{Answer, Death, Order};
use super::{ARGUMENT, platform};

/// How long such a harness lives at most.
const LIFE: Duration = Duration::from_mins(1);
/// As much as one that is to run out of memory takes, should nobody stop it.
const FILL: usize = 512;

/// Becomes a harness for the suite and never returns, where this program was started to be one. A program
/// whose `main` is its own calls it there, before anything else, with how its backends are made;
/// [`main`](crate::main) does so by itself.
pub fn serve_if_asked(make: impl Fn(&str) -> Result<Box<dyn Spawner>>) {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != ARGUMENT) {
        return;
    }
    let args: Vec<OsString> = args.collect();
    let status = match serve(&args, make) {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("a harness of the suite: {why}");
            70
        }
    };
    std::process::exit(status);
}

fn serve(args: &[OsString], make: impl Fn(&str) -> Result<Box<dyn Spawner>>) -> Result<(), String> {
    let [backend] = args else { return Err("it was told too little".into()) };
    std::thread::spawn(|| {
        std::thread::sleep(LIFE);
        std::process::exit(71);
    });
    platform::die_quietly().map_err(|error| format!("cannot do without core dumps: {error}"))?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let spawner = {
        let _inside = runtime.enter();
        make(&backend.to_string_lossy()).map_err(|error| error.to_string())?
    };
    let mut harness = Serving { runtime, spawner: Arc::from(spawner), tasks: HashMap::new() };
    // It ends, without destroying anything, when it is told to by the end of its input.
    for line in std::io::stdin().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let order = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        if let Order::Die(death) = order {
            die(death);
            return Ok(());
        }
        let answer = harness.obey(order).unwrap_or_else(Answer::Failed);
        let mut answer = serde_json::to_vec(&answer).map_err(|error| error.to_string())?;
        answer.push(b'\n');
        let mut out = std::io::stdout().lock();
        out.write_all(&answer).and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    }
    std::process::exit(0)
}

struct Serving {
    runtime: Runtime,
    spawner: Arc<dyn Spawner>,
    tasks: HashMap<TaskId, Task>,
}

impl Serving {
    fn obey(&mut self, order: Order) -> Result<Answer, String> {
        match order {
            Order::LeadSession => {
                platform::lead_session().map_err(|error| format!("cannot lead a session: {error}"))?;
            }
            Order::Start(spec) => {
                let started = self.runtime.block_on(self.spawner.spawn_task(&spec));
                return Ok(self.keep(started.map_err(|error| error.to_string())?));
            }
            Order::StartOnThread(spec) => {
                let spawner = Arc::clone(&self.spawner);
                let started = std::thread::spawn(move || on_a_runtime_of_its_own(&spawner, &spec)).join();
                return Ok(self.keep(started.map_err(|_| "the thread panicked")??));
            }
            Order::Churn(spec) => self.churn(&spec),
            Order::Destroy(id, teardown) => {
                let task = self.find(id)?;
                let outcome = self.runtime.block_on(self.spawner.destroy_task(&task, &teardown));
                return Ok(Answer::Destroyed { clean: outcome.is_clean(), told: outcome.to_string() });
            }
            Order::BeginDestroy(id, teardown) => {
                let (spawner, task) = (Arc::clone(&self.spawner), self.find(id)?);
                self.runtime.spawn(async move { spawner.destroy_task(&task, &teardown).await });
            }
            // Its caller sees to that.
            Order::Die(_) => {}
        }
        Ok(Answer::Done)
    }

    fn keep(&mut self, task: Task) -> Answer {
        let record = Box::new(task.record().clone());
        self.tasks.insert(task.id(), task);
        Answer::Started(record)
    }

    fn find(&self, id: TaskId) -> Result<Task, String> {
        self.tasks.get(&id).cloned().ok_or_else(|| format!("this harness has no task {id}"))
    }

    /// Three at a time, out of step with one another. Whether they come out clean is the matter of other cases.
    fn churn(&self, spec: &TaskSpec) {
        let round = async |spawner: &dyn Spawner, spec: &TaskSpec| {
            if let Ok(task) = spawner.spawn_task(spec).await {
                drop(spawner.destroy_task(&task, &Teardown::at_once()).await);
            }
        };
        self.runtime.block_on(round(self.spawner.as_ref(), spec));
        for _ in 0..3 {
            let (spawner, spec) = (Arc::clone(&self.spawner), spec.clone());
            self.runtime.spawn(async move {
                loop {
                    round(spawner.as_ref(), &spec).await;
                    tokio::task::yield_now().await;
                }
            });
        }
    }
}

fn on_a_runtime_of_its_own(spawner: &Arc<dyn Spawner>, spec: &TaskSpec) -> Result<Task, String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(spawner.spawn_task(spec)).map_err(|error| error.to_string())
}

/// Comes back where the harness is to end by its `main` returning.
fn die(how: Death) {
    match how {
        Death::Panic => {
            std::panic::set_hook(Box::new(|_| {}));
            panic!("as it was told to");
        }
        Death::Abort => std::process::abort(),
        Death::Exit => std::process::exit(0),
        Death::Return => {}
        Death::Eat => {
            let mut eaten = Vec::new();
            for _ in 0..FILL {
                eaten.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
    }
}
