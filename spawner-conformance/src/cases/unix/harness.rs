//! Deaths of a harness that only Unix has.

use std::sync::Arc;

use spawner_core::Capability;

use crate::case::{Checked, require};
use crate::cases::aftermath::{level, party, party_of};
use crate::harness::{Death, Harness, has_died_so};
use crate::scene::Scene;
use crate::witness::{Blow, MemoryJail};

/// The jail is around the harness, its helpers and its tasks, and the kernel picks the one that eats.
pub(crate) async fn out_of_memory(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::EndWithHarness)?;
    let jail = MemoryJail::make(128 << 20)?;
    let harness = Harness::start(&scene)?;
    jail.take_in(harness.pid())?;
    let mut party = party_of(&scene, Capability::EndWithHarness, harness).await?;
    let mut groups = party.groups();
    groups.remove(jail.folder());
    let status = party.harness.die(Death::Eat).await?;
    require!(has_died_so(Death::Eat, status), "the harness ate too much and died with {status}");
    party.nothing_left(&scene, &groups, scene.soon()).await?;
    Ok(jail.remove()?)
}

pub(crate) async fn group(scene: Arc<Scene>) -> Checked {
    let mut party = party(&scene, Capability::EndWithHarness).await?;
    let groups = party.groups();
    party.harness.kill_group()?;
    party.nothing_left(&scene, &groups, scene.soon()).await
}

pub(crate) async fn session(scene: Arc<Scene>) -> Checked {
    level(&scene, Capability::EndWithHarness)?;
    let mut harness = Harness::start_plain(&scene)?;
    harness.lead_session().await?;
    let mut party = party_of(&scene, Capability::EndWithHarness, harness).await?;
    let groups = party.groups();
    party.harness.session().suffer(Blow::Kill)?;
    party.harness.reap()?;
    party.nothing_left(&scene, &groups, scene.soon()).await
}
