//! What is on record, and what records that are wrong, foreign or cannot be written come to.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{Capability, Journal, TaskId, Teardown};

use super::aftermath::{Party, level, party, swept};
use super::group::Group;
use super::platform;
use crate::case::{Case, Checked, case, require};
use crate::harness::Harness;
use crate::host::{self, Need};
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(kept, "a-task-is-on-record-until-it-is-gone", [Sweep]),
    case!(late, "what-could-not-be-ended-is-on-record-until-it-is-gone", [Sweep, NameLeftovers])
        .needs(&[Need::FreezerV1]),
    case!(unwritable, "tasks-run-without-a-state-folder-and-end-with-their-harness", [EndWithHarness]),
    case!(reused, "a-pid-that-was-given-to-another-is-never-signalled", [Sweep]),
    case!(rebooted, "a-record-of-another-boot-harms-nobody", [Sweep]),
    case!(elsewhere, "a-record-of-another-machine-is-kept", [Sweep]),
    case!(damaged, "a-damaged-record-is-kept-and-nothing-else-suffers", [Sweep]),
    case!(foreign, "a-record-of-another-user-is-left-alone", [Sweep]).needs(&[Need::Root]),
];

fn journal(scene: &Scene) -> Journal {
    Journal::at(scene.state())
}

/// The name of a task's file.
fn page(scene: &Scene, id: TaskId) -> Checked<PathBuf> {
    Ok(journal(scene).page(id)?.path().to_owned())
}

async fn kept(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::Sweep)?;
    let task = scene.start_ready("ignores-term", &[], 2).await?;
    let record = journal(&scene).find(task.id())?;
    require!(record.is_some(), "a task runs, and is not on record: {:?}", scene.on_record());
    drop(scene.end(&task, &Teardown::at_once()).await?);
    let left = scene.on_record();
    require!(left.is_empty() || !scene.must_be_clean(), "it is proved gone, and on record are {left:?}");
    Ok(())
}

/// A frozen member when the harness dies: on record, named by every sweep, and gone when it thaws.
async fn late(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::Sweep)?;
    level(&scene, Capability::EndWithHarness)?;
    let freezer = host::group_of("freezer").ok_or("the v1 freezer is not mounted".to_owned())?;
    let frozen = Group::make(freezer.join(format!("conformance-{}", scene.witness.token())))?;
    let mut harness = Harness::start(&scene)?;
    let record = harness.spawn(frozen.task(&scene)).await?;
    frozen.settle(&scene).await?;
    let mut party = Party { harness, tasks: Vec::new() };
    let groups: BTreeSet<_> = party.groups().into_iter().filter(|group| *group != frozen.0).collect();
    frozen.freeze().await?;
    party.harness.kill()?;
    let remembered = survives(&scene, &record).await;
    frozen.thaw()?;
    remembered?;
    scene.witness.gone_within(scene.later()).await?;
    // Its helpers are at it, or somebody sweeps.
    swept(&scene, &[]).await?;
    party.no_traces(&scene, &groups).await
}

/// Asserts, while a member is frozen, that it stays on record and is named.
async fn survives(scene: &Arc<Scene>, record: &spawner_core::TaskRecord) -> Checked {
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        let alive = scene.witness.gone();
        require!(alive.is_err(), "the frozen member ended all the same, so this case asserts nothing here");
        let on_record = journal(scene).find(record.id)?.is_some();
        require!(on_record, "a member is alive ({alive:?}), and the task is off the record");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let second = scene.with_witness(scene.enrolment.make()?)?;
    let outcomes = second.spawner.sweep().await;
    let own: Vec<_> = outcomes.iter().filter(|outcome| outcome.task() == record.id).collect();
    require!(!own.is_empty(), "a sweep says nothing of a task with a member that is there");
    for outcome in own {
        require!(!outcome.is_clean(), "false clean: a frozen member is there");
        for leftover in outcome.leftovers() {
            let resource = leftover.resource();
            let told = resource.reason.is_some() && resource.remedy.is_some();
            require!(told, "a leftover has no reason or no remedy: {leftover}");
        }
    }
    require!(journal(scene).find(record.id)?.is_some(), "swept off the record, with a member alive");
    Ok(())
}

/// The state folder cannot be: it would have to be below a file, which stops root too.
async fn unwritable(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::EndWithHarness)?;
    let file = scene.path("a-file");
    std::fs::write(&file, "")?;
    let harness = Harness::start_with_state(&scene, &file.join("state"))?;
    let mut party = super::aftermath::party_of(&scene, Capability::EndWithHarness, harness).await?;
    party.destroy_all(false).await?;
    party.spawn(&scene, "ignores-term", 2).await?;
    let groups = party.groups();
    party.harness.kill()?;
    party.nothing_left(&scene, &groups, scene.soon()).await
}

/// A process that has nothing to do with any task. It says back what it is told, which one that was killed does
/// not do any more, also where its end takes its time.
struct Innocent(Child);

impl Innocent {
    fn start() -> Checked<Self> {
        let mut command = platform::innocent();
        Ok(Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?))
    }

    fn lives(&mut self) -> Checked {
        let (Some(ears), Some(mouth)) = (&mut self.0.stdin, &mut self.0.stdout) else {
            return Err("an innocent process has no streams".to_owned().into());
        };
        let answered = ears.write_all(b"?").and_then(|()| mouth.read_exact(&mut [0]));
        require!(answered.is_ok(), "a process that is of no task was ended: {:?}", self.0.wait());
        Ok(())
    }
}

impl Drop for Innocent {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("cannot end the innocent process: {error}");
        }
    }
}

/// What is on record of a task, taken while it ran; nothing of its harness and of it is left now.
async fn record_of_the_dead(scene: &Scene) -> Checked<(PathBuf, serde_json::Value, String)> {
    let mut party = party(scene, Capability::Sweep).await?;
    let groups = party.groups();
    let page = page(scene, party.tasks[0].record.id)?;
    let text = std::fs::read_to_string(&page)?;
    let (first, notes) = text.split_once('\n').ok_or("the record has no first line".to_owned())?;
    let opening = serde_json::from_str(first).map_err(|error| error.to_string())?;
    party.kill_with(Harness::all_helpers)?;
    swept(scene, &party.tasks).await?;
    party.no_traces(scene, &groups).await?;
    Ok((page, opening, notes.to_owned()))
}

fn write(page: &Path, opening: &serde_json::Value, notes: &str) -> Checked {
    Ok(std::fs::write(page, format!("{opening}\n{notes}"))?)
}

/// Every pid of the record is an innocent's; only the start times tell.
async fn reused(scene: Arc<Scene>) -> Checked {
    let (page, mut opening, notes) = record_of_the_dead(&scene).await?;
    let mut innocent = Innocent::start()?;
    let pid = innocent.0.id();
    put_pid(&mut opening, pid);
    let notes: Result<Vec<String>, serde_json::Error> = notes
        .lines()
        .map(|line| {
            let mut note = serde_json::from_str(line)?;
            put_pid(&mut note, pid);
            Ok(format!("{note}\n"))
        })
        .collect();
    write(&page, &opening, &notes.map_err(|error| error.to_string())?.concat())?;
    swept(&scene, &[]).await?;
    innocent.lives()?;
    require!(!page.exists(), "nothing of the record is there, and it is kept");
    innocent.lives()
}

fn put_pid(value: &mut serde_json::Value, pid: u32) {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "pid" && value.is_number() {
                    *value = pid.into();
                } else {
                    put_pid(value, pid);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| put_pid(value, pid)),
        _ => {}
    }
}

/// Whatever runs on this boot is not of it: pids and start times may be the very same.
async fn rebooted(scene: Arc<Scene>) -> Checked {
    let (page, mut opening, notes) = record_of_the_dead(&scene).await?;
    let mut innocent = Innocent::start()?;
    let other = "00000000-0000-0000-0000-000000000000";
    let own = opening["host"]["boot_id"].as_str().unwrap_or_default().to_owned();
    opening["host"]["boot_id"] = other.into();
    put_pid(&mut opening, innocent.0.id());
    let opening = opening.to_string().replace(&own, other);
    let opening = serde_json::from_str(&opening).map_err(|error| error.to_string())?;
    write(&page, &opening, &notes.replace(&own, other))?;
    swept(&scene, &[]).await?;
    innocent.lives()?;
    require!(!page.exists(), "no process of another boot can be there, and it is kept on record");
    Ok(())
}

async fn elsewhere(scene: Arc<Scene>) -> Checked {
    let (page, mut opening, notes) = record_of_the_dead(&scene).await?;
    opening["host"]["machine"] = "0123456789abcdef@elsewhere".into();
    write(&page, &opening, &notes)?;
    let count = swept(&scene, &[]).await?;
    require!(count == 0, "{count} tasks were swept, and they are of another machine");
    require!(page.exists(), "a record of another machine was removed");
    Ok(())
}

async fn damaged(scene: Arc<Scene>) -> Checked {
    let mut party = party(&scene, Capability::Sweep).await?;
    let groups = party.groups();
    let whole = std::fs::read(page(&scene, party.tasks[0].record.id)?)?;
    let wrong: [(&str, &[u8]); 4] = [
        ("00000000000000aa", b""),
        ("00000000000000ab", b"not JSON\n"),
        ("00000000000000ac", &whole[..whole.len() / 3]),
        // Whole, and of another task.
        ("00000000000000ad", &whole),
    ];
    for (name, content) in wrong {
        std::fs::write(scene.state().join(format!("{name}.task")), content)?;
    }
    party.kill_with(Harness::all_helpers)?;
    swept(&scene, &party.tasks).await?;
    for task in &party.tasks {
        task.scene.witness.gone_within(task.scene.soon()).await?;
    }
    for (name, content) in wrong {
        let file = scene.state().join(format!("{name}.task"));
        let now = std::fs::read(&file);
        require!(now.as_deref().ok() == Some(content), "a damaged record was not kept as it was: {name}");
        std::fs::remove_file(&file)?;
    }
    party.no_traces(&scene, &groups).await
}

/// Root does not touch what a user has on record: that user does, or root as that user.
async fn foreign(scene: Arc<Scene>) -> Checked {
    let (page, opening, notes) = record_of_the_dead(&scene).await?;
    write(&page, &opening, &notes)?;
    platform::give_to_nobody(&page)?;
    let count = swept(&scene, &[]).await?;
    require!(count == 0, "{count} tasks were swept, and they are another user's");
    require!(page.exists(), "another user's record was removed");
    Ok(())
}
