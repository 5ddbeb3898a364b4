//! The second order: what becomes of tasks when what helps the backend dies or stops, alone or with the harness.
//!
//! Whatever the backend calls them, its helpers are the children of the harness that are no task's.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{Capability, Level};

use super::aftermath::{Party, level, party, swept};
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::harness::Harness;
use crate::scene::Scene;
use crate::witness::{Blow, Herd};

pub(super) const CASES: &[Case] = &[
    case!(killed_alone, "a-harness-goes-on-when-its-helpers-are-killed", [OutliveHelpers]),
    case!(all_killed_alone, "a-harness-goes-on-when-all-below-it-are-killed", [OutliveHelpers]),
    case!(killed_before, "helpers-killed-before-their-harness-leave-nothing", [OutliveHelpers]),
    case!(killed_together, "helpers-killed-with-their-harness-leave-nothing", [OutliveHelpers]),
    case!(stopped_alone, "a-harness-goes-on-when-its-helpers-are-stopped", [OutliveHelpers]),
    case!(all_stopped_alone, "a-harness-goes-on-when-all-below-it-are-stopped", [OutliveHelpers]),
    case!(stopped_before, "helpers-stopped-before-their-harness-dies-leave-nothing", [OutliveHelpers]),
    case!(all_stopped_before, "all-stopped-before-their-harness-dies-leave-nothing", [OutliveHelpers]),
];

/// A harness with tasks and helpers.
async fn helped(scene: &Scene) -> Checked<Party> {
    level(scene, Capability::EndWithHarness)?;
    let party = party(scene, Capability::OutliveHelpers).await?;
    if party.harness.helpers().is_empty() {
        return Err(NotPassed::Skipped("this backend has no helper processes".into()));
    }
    Ok(party)
}

/// Something befalls helpers of a living harness; it starts and destroys another task all the same, and then
/// those that the helpers had. What was ended meanwhile is ended.
async fn goes_on(scene: &Scene, helpers: fn(&Harness) -> Herd, blow: Blow) -> Checked {
    let mut party = helped(scene).await?;
    let groups = party.groups();
    helpers(&party.harness).suffer(blow)?;
    let mut old = std::mem::take(&mut party.tasks);
    let began = Instant::now();
    party.spawn(scene, "ignores-term", 2).await?;
    require!(began.elapsed() < scene.later(), "the next task was started after {:?}", began.elapsed());
    party.destroy_all(false).await?;
    require!(began.elapsed() < 2 * scene.later(), "the next task was destroyed after {:?}", began.elapsed());
    party.tasks.append(&mut old);
    party.destroy_all(true).await?;
    party.harness.kill()?;
    party.nothing_left(scene, &groups, scene.later()).await
}

async fn killed_alone(scene: Arc<Scene>) -> Checked {
    goes_on(&scene, Harness::helpers, Blow::Kill).await
}

async fn all_killed_alone(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::Sweep)?;
    goes_on(&scene, Harness::all_helpers, Blow::Kill).await
}

async fn stopped_alone(scene: Arc<Scene>) -> Checked {
    goes_on(&scene, Harness::helpers, Blow::Stop).await
}

async fn all_stopped_alone(scene: Arc<Scene>) -> Checked {
    goes_on(&scene, Harness::all_helpers, Blow::Stop).await
}

/// At every distance from at once to half a second: the harness may have noticed by then, or not.
async fn killed_before(scene: Arc<Scene>) -> Checked {
    for distance in [0, 1, 5, 30, 500].map(Duration::from_millis) {
        let mut party = helped(&scene).await?;
        let groups = party.groups();
        party.harness.helpers().suffer(Blow::Kill)?;
        tokio::time::sleep(distance).await;
        party.harness.kill()?;
        nothing_left(&scene, &party, &groups).await?;
    }
    Ok(())
}

/// All is gone by itself; by a sweep, where somebody may have been missing to see to it.
async fn nothing_left(scene: &Scene, party: &Party, groups: &BTreeSet<PathBuf>) -> Checked {
    if !scene.guaranteed(Capability::OutliveHelpers) && scene.level(Capability::Sweep) != Level::Unsupported {
        swept(scene, &party.tasks).await?;
    }
    party.nothing_left(scene, groups, scene.soon()).await
}

async fn killed_together(scene: Arc<Scene>) -> Checked {
    let mut party = helped(&scene).await?;
    let groups = party.groups();
    party.kill_with(Harness::helpers)?;
    nothing_left(&scene, &party, &groups).await
}

async fn stopped_then_dies(scene: &Scene, helpers: fn(&Harness) -> Herd) -> Checked {
    let mut party = helped(scene).await?;
    let groups = party.groups();
    let herd = helpers(&party.harness);
    herd.suffer(Blow::Stop)?;
    party.harness.kill()?;
    let left = party.nothing_left(scene, &groups, scene.later()).await;
    // A backend that fails here must not leave them stopped for ever.
    herd.suffer(Blow::Continue)?;
    left
}

async fn stopped_before(scene: Arc<Scene>) -> Checked {
    stopped_then_dies(&scene, Harness::helpers).await
}

async fn all_stopped_before(scene: Arc<Scene>) -> Checked {
    stopped_then_dies(&scene, Harness::all_helpers).await
}
