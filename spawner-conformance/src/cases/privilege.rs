//! What a task can do with privilege: change its user, its control group, freeze a member.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use spawner_core::{Capability, CleanupOutcome, Exit, Fate, Mechanism, Resource, ResourceKind, Teardown};

use super::detach::{leaves, patient};
use super::group::Group;
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::host::{self, Need};
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(other_user, "a-child-that-became-another-user-is-ended", [EndOtherUsers]).needs(&[Need::Root]),
    case!(set_uid, "a-child-that-became-root-is-ended-or-named", [EndOtherUsers, NameLeftovers])
        .needs(&[Need::SetUidCopy])
        .within(60),
    case!(other_group, "a-member-that-moved-to-another-control-group-is-ended", [EndEverything])
        .needs(&[Need::Root, Need::CgroupV2]),
    case!(frozen, "a-frozen-control-group-of-the-task-s-own-is-ended", [EndEverything])
        .needs(&[Need::CgroupV2]),
    case!(thaws, "what-cannot-be-ended-is-named-until-it-is-gone", [NameLeftovers, ProveClean])
        .needs(&[Need::FreezerV1]),
];

/// `nobody`, everywhere that we run.
const NOBODY: &str = "65534";

async fn other_user(scene: Arc<Scene>) -> Checked {
    leaves(&scene, "other-user", &[NOBODY], 1, 0).await.map(drop)
}

async fn set_uid(scene: Arc<Scene>) -> Checked {
    scene.needs_proc().await?;
    let program = std::env::var_os(host::SET_UID_COPY).unwrap_or_default();
    let task = scene.spawner.spawn_task(&scene.spec("set-uid-child", [program])).await?;
    tokio::select! {
        ready = scene.ready(1) => ready?,
        exit = scene.spawner.wait_task(&task) => {
            require!(exit? == Exit::Exited { code: 77 }, "the workload did not come up");
            let why = "no set-uid program gets its privilege in a task of this backend on this host";
            return Err(NotPassed::Skipped(why.into()));
        }
    }
    let quick = patient().grace(Duration::from_millis(100)).deadline(Duration::from_millis(500));
    let outcome = scene.end(&task, &quick).await?;
    let survived = scene.witness.gone().is_err();
    if survived && scene.guaranteed(Capability::NameLeftovers) {
        named(&outcome, 1)?;
    }
    // It ends by itself, and asking again says so.
    scene.witness.gone_within(Duration::from_secs(25)).await?;
    clean_by_now(&scene, &task, &quick).await
}

fn named(outcome: &CleanupOutcome, count: usize) -> Checked {
    let survived =
        |resource: &&Resource| resource.kind == ResourceKind::Process && resource.fate == Fate::Survived;
    let survivors = outcome.resources().iter().filter(survived).count();
    require!(survivors == count, "{count} members survived, and {survivors} are named: {outcome}");
    require!(outcome.escalated(), "a member survived, and force was not used");
    Ok(())
}

/// Whether a process is a container's, and has nothing of itself left but its place among the processes.
fn is_waiting(scene: &Scene, resource: &Resource) -> bool {
    let line = std::fs::read(format!("/proc/{}/cmdline", resource.id));
    scene.contained() && resource.kind == ResourceKind::Process && line.is_ok_and(|line| line.is_empty())
}

/// Asserts that destroying a task again, all of which has gone, is a proof where proofs are promised.
async fn clean_by_now(scene: &Scene, task: &spawner_core::Task, teardown: &Teardown) -> Checked {
    let again = scene.end(task, teardown).await?;
    let proved = again.is_clean() || !scene.guaranteed(Capability::ProveClean);
    require!(proved, "all is gone by now, and asking again says {}: {again}", again.verdict());
    Ok(())
}

async fn other_group(scene: Arc<Scene>) -> Checked {
    let mount = host::cgroup2().ok_or("no cgroup v2 is mounted".to_owned())?.mount;
    let group = Group::make(mount.join(format!("spawner-{}", scene.witness.token())))?;
    let task = scene.spawner.spawn_task(&group.task(&scene)).await?;
    group.settle(&scene).await?;
    let outcome = scene.end(&task, &patient()).await?;
    require!(outcome.is_clean() || !scene.must_be_clean(), "not clean: {outcome}");
    if outcome.is_clean() { group.remove() } else { Ok(()) }
}

async fn frozen(scene: Arc<Scene>) -> Checked {
    scene.needs_proc().await?;
    if scene.contained() {
        return Err(NotPassed::Skipped("a container cannot write to its control groups".into()));
    }
    if scene.elsewhere() && !host::is_root() {
        let why = "tasks start elsewhere, and so not below the control group that is delegated to this user";
        return Err(NotPassed::Skipped(why.into()));
    }
    let mount = host::cgroup2().ok_or("no cgroup v2 is mounted".to_owned())?.mount;
    let spec = scene.spec("frozen", [&mount]);
    let task = scene.spawner.spawn_task(&spec).await?;
    scene.ready(2).await?;
    let name = format!("frozen-{}", scene.witness.token());
    let group = find(&mount, &name).ok_or("the workload's control group is not there".to_owned())?;
    let group = Group(group);
    let outcome = scene.end(&task, &patient().grace(Duration::from_millis(200))).await?;
    let own = outcome.mechanisms().contains(&Mechanism::CgroupV2);
    if own && outcome.is_clean() {
        require!(!group.0.exists(), "clean, and its control group {} is still there", group.0.display());
    }
    // Without a control group for each task, the sub-group is one of the harness's.
    if group.0.exists() && outcome.is_clean() { group.remove() } else { Ok(()) }
}

async fn thaws(scene: Arc<Scene>) -> Checked {
    let freezer = host::group_of("freezer").ok_or("the v1 freezer is not mounted".to_owned())?;
    let group = Group::make(freezer.join(format!("spawner-{}", scene.witness.token())))?;
    let task = scene.spawner.spawn_task(&group.task(&scene)).await?;
    group.settle(&scene).await?;
    group.freeze().await?;
    let quick = patient().grace(Duration::from_millis(100)).deadline(Duration::from_millis(500));
    // Nobody can end it, so the usual promise is off for this once, and only for this.
    let outcome = scene.spawner.destroy_task(&task, &quick).await;
    let alive = scene.witness.gone();
    let survivors = scene.witness.living();
    // The first process of a container does not end before the last one, and has no command line by then.
    let waiting = outcome.leftovers().filter(|left| is_waiting(&scene, left.resource())).count();
    group.thaw()?;
    require!(alive.is_err(), "the frozen member ended all the same, so this case asserts nothing here");
    require!(!outcome.is_clean(), "false clean: a frozen member is there ({survivors:?})");
    if scene.guaranteed(Capability::NameLeftovers) {
        named(&outcome, survivors.len() + waiting)?;
        let pids: Vec<_> = outcome.leftovers().map(|leftover| leftover.resource().id.clone()).collect();
        let right = survivors.iter().all(|living| pids.contains(&living.pid.to_string()));
        require!(right, "{pids:?} are named, and {survivors:?} are there");
        let told = outcome
            .leftovers()
            .all(|leftover| leftover.resource().reason.is_some() && leftover.resource().remedy.is_some());
        require!(told, "a leftover has no reason or no remedy: {outcome}");
    }
    scene.witness.gone_within(Duration::from_secs(5)).await?;
    clean_by_now(&scene, &task, &quick).await?;
    group.remove()
}

/// The control group of this name, anywhere below `folder`.
fn find(folder: &std::path::Path, name: &str) -> Option<PathBuf> {
    let folders = std::fs::read_dir(folder).ok()?.flatten().filter(|entry| entry.path().is_dir());
    for entry in folders {
        let found = if entry.file_name() == *name { Some(entry.path()) } else { find(&entry.path(), name) };
        if found.is_some() {
            return found;
        }
    }
    None
}
