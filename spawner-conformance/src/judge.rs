//! What is asserted of every outcome, whatever the case.

use std::collections::HashSet;
use std::time::Duration;

use spawner_core::report::LeftBehind;
use spawner_core::run::Finished;
use spawner_core::{
    Capability, CleanupOutcome, Evidence, Fate, Level, Report, Resource, ResourceKind, Teardown, Verdict,
};

use crate::case::{Checked, require};
use crate::scene::Scene;
use crate::witness::{Engine, Witness, is_the_system_s};

/// What a busy machine may add to the time that a teardown takes.
const BUSY: Duration = Duration::from_secs(2);

/// Asserts that an outcome says what is: no false clean, no false dirty, nothing promised and not kept.
pub(crate) fn outcome(scene: &Scene, outcome: &CleanupOutcome, teardown: &Teardown) -> Checked {
    truth(scene, outcome)?;
    if scene.must_be_clean() {
        require!(outcome.is_clean(), "guaranteed, and yet not clean but {}: {outcome}", outcome.verdict());
    }
    let allowed = teardown.linger + teardown.grace + teardown.deadline + Teardown::SLACK + BUSY;
    require!(outcome.elapsed() <= allowed, "it took {:?}, longer than its deadlines", outcome.elapsed());
    Ok(())
}

/// Asserts that an outcome says what is, whatever was promised: of tasks too whose helpers were killed.
pub(crate) fn truth(scene: &Scene, outcome: &CleanupOutcome) -> Checked {
    let gone = scene.witness.gone();
    let storm = scene.proves.contains(&Capability::EndForkStorm);
    if outcome.is_clean()
        && let Err(alive) = &gone
    {
        require!(false, "false clean: the outcome says clean, and the witness sees {alive}");
    }
    if outcome.is_clean()
        && let Some(engine) = scene.engine()
    {
        let left = engine.containers(scene.witness.token())?;
        require!(left.is_empty(), "false clean: the outcome says clean, and the engine has {left:?}");
    }
    for leftover in outcome.leftovers() {
        let resource = leftover.resource();
        let explained = resource.reason.is_some() && resource.remedy.is_some();
        require!(explained, "a leftover has no reason or no remedy: {leftover}");
        if resource.fate == Fate::Survived {
            // Members of a storm end by themselves; what survives is the storm.
            let there = is_there(scene, resource.kind, &resource.id) || storm && gone.is_err();
            require!(there, "false dirty: it is gone, and yet named: {leftover}");
        }
    }
    if scene.level(Capability::ProveClean) == Level::Unsupported {
        require!(!outcome.is_clean(), "the backend says that it proves nothing, and then that it is clean");
    }
    if let Err(alive) = &gone {
        let unnamed = unnamed(scene, outcome);
        let named = storm || !scene.guaranteed(Capability::NameLeftovers) || unnamed.is_empty();
        require!(named, "leftovers are not named: {unnamed:?}, and the witness sees {alive}; {outcome}");
    }
    require!(!outcome.mechanisms().is_empty(), "the outcome names no mechanism: {outcome}");
    let (listed, total) = (outcome.left_behind().len(), outcome.left_behind_total());
    require!(listed == total.min(listed.max(Evidence::LISTED)), "{listed} of {total} left behind are listed");
    if scene.level(Capability::Usage) == Level::Unsupported {
        require!(outcome.usage().is_none(), "usage is reported, although the backend does not support that");
    }
    Ok(())
}

/// What the witness sees alive and the outcome does not name as a leftover.
fn unnamed(scene: &Scene, outcome: &CleanupOutcome) -> Vec<u32> {
    let named: HashSet<_> = outcome.leftovers().map(|leftover| leftover.resource().id.clone()).collect();
    let living = scene.witness.living().into_iter().map(|living| living.pid);
    living.filter(|pid| !named.contains(&pid.to_string())).collect()
}

fn is_there(scene: &Scene, kind: ResourceKind, id: &str) -> bool {
    let asked = |has: fn(&Engine, &str) -> bool| scene.engine().is_none_or(|engine| has(engine, id));
    match kind {
        ResourceKind::Process => id.parse().is_ok_and(Witness::is_alive),
        ResourceKind::Cgroup | ResourceKind::Folder | ResourceKind::File => std::path::Path::new(id).exists(),
        ResourceKind::Container => asked(Engine::has_container),
        ResourceKind::Volume => asked(Engine::has_volume),
        // Nothing that this witness can see.
        ResourceKind::ExecSession | ResourceKind::Storage | ResourceKind::Task => true,
    }
}

/// Asserts that what was left behind is what the case knows: this many, and each of them one of `alive`.
pub(crate) fn left_behind(
    scene: &Scene,
    outcome: &CleanupOutcome,
    count: usize,
    alive: &HashSet<u32>,
) -> Checked {
    // What the system itself added is told rightly, and is none that the case knows.
    let systems = |one: &&Resource| one.name.as_deref().is_some_and(is_the_system_s);
    let total = outcome.left_behind_total() - outcome.left_behind().iter().filter(systems).count();
    let level = scene.level(Capability::NameLeftBehind);
    let right = match level {
        Level::Guaranteed => total == count,
        Level::BestEffort => total <= count,
        Level::Unsupported => total == 0,
    };
    let named = outcome.left_behind().iter().map(|one| (one.id.as_str(), one.name.as_deref()));
    let named: Vec<_> = named.collect();
    require!(
        right,
        "{total} were left behind according to the outcome, and it should be {count} ({level}): {named:?}"
    );
    for resource in outcome.left_behind() {
        let known = systems(&resource)
            || resource.kind != ResourceKind::Process
            || resource.id.parse().is_ok_and(|pid: u32| alive.contains(&pid));
        require!(known, "this is said to be left behind, and was not running then: {resource:?}");
    }
    Ok(())
}

/// Asserts that the report is the documented document, and says the same as the outcome.
pub(crate) fn report(finished: &Finished) -> Checked {
    let report = Report::new(finished);
    let json = serde_json::to_string(&report).map_err(|error| format!("the report is no JSON: {error}"))?;
    let again: Report = serde_json::from_str(&json)
        .map_err(|error| format!("the report does not survive JSON: {error} in {json}"))?;
    require!(again == report, "the report does not survive JSON: {json}");
    require!(report.schema == Report::SCHEMA, "the report's schema is `{}`", report.schema);
    let outcome = &finished.cleanup;
    let leftovers = report.cleanup.resources.iter().filter(|resource| resource.fate.is_leftover()).count();
    require!(leftovers == outcome.leftovers().count(), "the report has {leftovers} leftovers: {json}");
    let clean = report.cleanup.verdict == Verdict::Clean;
    require!(clean == outcome.is_clean(), "the report says {}: {json}", report.cleanup.verdict);
    let ids = |listed: &[LeftBehind]| listed.iter().map(|one| one.id.clone()).collect::<HashSet<_>>();
    let told = ids(&report.cleanup.left_behind).len();
    require!(
        told == report.cleanup.left_behind.len(),
        "the report names something left behind twice: {json}"
    );
    Ok(())
}
