//! Tasks that may outlive their harness, and those who recover them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{Capability, ErrorKind, Exit, Level, Task, TaskRecord, TaskSpec, TaskState, Teardown};

use super::aftermath::Party;
use super::detach::patient;
use super::platform;
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::harness::Harness;
use crate::judge;
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(outlives, "a-detached-task-outlives-its-harness", [Detach]),
    case!(ended, "a-detached-task-that-ended-is-recovered-with-its-exit", [Detach]),
    case!(daemons, "a-recovered-task-is-ended-with-all-its-daemons", [Detach, EndEverything]),
    case!(living, "a-task-of-a-living-harness-can-be-recovered", [Detach]),
    case!(helpers, "a-detached-task-whose-helpers-died-is-destroyed", [Detach, Sweep]),
    case!(unwritable, "a-detached-task-that-cannot-be-on-record-is-refused", [Detach]),
];

/// The task, without its harness, and what another one has of it.
struct Recovered {
    party: Party,
    groups: BTreeSet<std::path::PathBuf>,
    record: TaskRecord,
    second: Scene,
    task: Task,
}

fn detached(scene: &Scene, workload: &str, args: &[&str]) -> TaskSpec {
    scene.spec(workload, args.iter().copied()).detached()
}

/// Where the backend has no detached tasks: asserts that it refuses one, and gives `true`.
async fn refused(scene: &Scene) -> Checked<bool> {
    scene.refuses(Capability::Detach, &detached(scene, "well-behaved", &[])).await
}

/// Has a harness start a detached task, kills the harness, and recovers the task.
async fn recovered(scene: &Scene, workload: &str, args: &[&str], count: u64) -> Checked<Recovered> {
    let mut party = Party { harness: Harness::start(scene)?, tasks: Vec::new() };
    let record = party.harness.spawn(detached(scene, workload, args)).await?;
    scene.ready(count).await?;
    let groups = party.groups();
    party.harness.kill()?;
    let second = scene.with_witness(scene.enrolment.make()?)?;
    let task = second.spawner.recover_task(&record).await?;
    require!(task.id() == record.id, "the recovered task is {} and not {}", task.id(), record.id);
    Ok(Recovered { party, groups, record, second, task })
}

impl Recovered {
    /// Asserts that the task, destroyed, has left no trace, and cannot be recovered any more.
    async fn is_gone_for_good(&self, scene: &Scene) -> Checked {
        self.party.no_traces(scene, &self.groups).await?;
        let third = scene.enrolment.make()?;
        match third.recover_task(&self.record).await {
            Ok(_) => Err(NotPassed::Failed("a task that was proved gone is recovered once more".into())),
            Err(error) => {
                require!(error.kind() == ErrorKind::UnknownTask, "recovering what is gone gave: {error}");
                Ok(())
            }
        }
    }
}

/// Waits until a file holds exactly this. An engine's output is put there when somebody asks for the task.
async fn holds(all: &Recovered, file: Option<&Path>, text: &str) -> Checked {
    let Some(file) = file else { return Err("the record names no file for an output".to_owned().into()) };
    let give_up = Instant::now() + all.second.later();
    loop {
        all.second.spawner.keep_output(&all.task, false).await?;
        let found = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            found => found?,
        };
        if found == text {
            return Ok(());
        }
        require!(Instant::now() < give_up, "the output kept is {found:?}, and {text:?} was written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn outlives(scene: Arc<Scene>) -> Checked {
    if refused(&scene).await? {
        return Ok(());
    }
    let all = recovered(&scene, "on-duty", &[], 1).await?;
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        require!(scene.witness.living().len() == 1, "a detached task did not outlive its harness");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (spawner, task, logs) = (&all.second.spawner, &all.task, &all.record.logs);
    let state = spawner.task_state(task).await?;
    require!(state == TaskState::Running, "a detached task that runs is said to be {state:?}");
    match spawner.task_output(task).await {
        Ok(_) => require!(false, "the streams of a recovered task were given away"),
        Err(error) => require!(error.kind() == ErrorKind::Taken, "its streams: {error}"),
    }
    holds(&all, logs.stdout.as_deref(), "on duty\n").await?;
    spawner.signal_task(task, platform::HEEDED).await?;
    all.second.wait_for(task, &Exit::Exited { code: 33 }).await?;
    holds(&all, logs.stdout.as_deref(), "on duty\noff duty\n").await?;
    holds(&all, logs.stderr.as_deref(), "nothing happened\n").await?;
    drop(all.second.end(task, &patient()).await?);
    all.is_gone_for_good(&scene).await
}

async fn ended(scene: Arc<Scene>) -> Checked {
    if refused(&scene).await? {
        return Ok(());
    }
    let mut party = Party { harness: Harness::start(&scene)?, tasks: Vec::new() };
    let record = party.harness.spawn(detached(&scene, "background", &[])).await?;
    party.harness.kill()?;
    scene.ready(2).await?;
    let second = scene.with_witness(scene.enrolment.make()?)?;
    let task = second.spawner.recover_task(&record).await?;
    // What it left behind is there until it is destroyed.
    second.wait_for(&task, &Exit::Exited { code: 7 }).await?;
    let first = second.end(&task, &patient()).await?;
    let again = second.end(&task, &patient()).await?;
    require!(first.verdict() == again.verdict(), "first {}, then {}", first.verdict(), again.verdict());
    let all = Recovered { party, groups: BTreeSet::new(), record, second, task };
    all.is_gone_for_good(&scene).await
}

async fn daemons(scene: Arc<Scene>) -> Checked {
    if refused(&scene).await? {
        return Ok(());
    }
    let wild = scene.guaranteed(Capability::EndEverything);
    let (workload, count) = if wild { ("stubborn-daemon", 1) } else { ("ignores-term", 2) };
    let all = recovered(&scene, workload, &[], count).await?;
    let quick = patient().grace(Duration::from_millis(100));
    let outcome = all.second.end(&all.task, &quick).await?;
    require!(outcome.escalated(), "no force was needed for a task that ignores the request");
    scene.witness.gone_within(scene.soon()).await?;
    all.is_gone_for_good(&scene).await
}

/// It is taken away from its harness, which sees it end.
async fn living(scene: Arc<Scene>) -> Checked {
    if refused(&scene).await? {
        return Ok(());
    }
    let mut harness = Harness::start(&scene)?;
    let record = harness.spawn(scene.spec("ignores-term", [""; 0])).await?;
    scene.ready(2).await?;
    let second = scene.with_witness(scene.enrolment.make()?)?;
    let task = second.spawner.recover_task(&record).await?;
    drop(second.end(&task, &Teardown::at_once()).await?);
    let (clean, told) = harness.destroy(record.id, &Teardown::at_once()).await?;
    require!(clean || !scene.must_be_clean(), "another harness destroyed it, and its own says: {told}");
    scene.witness.gone_within(scene.soon()).await?;
    harness.kill()?;
    let party = Party { harness, tasks: Vec::new() };
    party.no_traces(&scene, &BTreeSet::new()).await
}

/// Nobody has watched it since, so a proof is not asked for; but the end of it is, and nothing clean without.
async fn helpers(scene: Arc<Scene>) -> Checked {
    if refused(&scene).await? {
        return Ok(());
    }
    let mut party = Party { harness: Harness::start(&scene)?, tasks: Vec::new() };
    let record = party.harness.spawn(detached(&scene, "ignores-term", &[])).await?;
    scene.ready(2).await?;
    let groups = party.groups();
    party.kill_with(Harness::all_helpers)?;
    let second = scene.with_witness(scene.enrolment.make()?)?;
    let task = second.spawner.recover_task(&record).await?;
    let outcome = second.spawner.destroy_task(&task, &Teardown::at_once()).await;
    judge::truth(&second, &outcome)?;
    if scene.level(Capability::Sweep) != Level::Unsupported {
        scene.witness.gone_within(scene.soon()).await?;
    }
    party.no_traces(&scene, &groups).await
}

/// A harness whose state folder cannot be: below a file.
async fn unwritable(scene: Arc<Scene>) -> Checked {
    if refused(&scene).await? {
        return Ok(());
    }
    let file = scene.path("a-file");
    std::fs::write(&file, "")?;
    let mut harness = Harness::start_with_state(&scene, &file.join("state"))?;
    let spawned = harness.spawn(detached(&scene, "well-behaved", &[])).await;
    let why = match spawned {
        Ok(_) => "it was started".to_owned(),
        Err(why) => why.to_string(),
    };
    require!(why.contains("SPAWNER_STATE_DIR"), "it should be refused, with what would help: {why}");
    let until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < until {
        let started = scene.witness.ready() > 0 || scene.witness.gone().is_err();
        require!(!started, "something was started, although it cannot be on record");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
