//! Many processes, and processes that multiply.

use std::sync::Arc;
use std::time::Duration;

use spawner_core::{Capability, CleanupOutcome, Teardown};

use super::detach::patient;
use super::platform;
use crate::case::{Case, Checked, case, require};
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(chain, "a-chain-that-outruns-a-walker-is-ended", [EndForkStorm]),
    case!(chains, "four-chains-at-once-are-ended", [EndForkStorm]),
    case!(sessions, "a-chain-of-sessions-is-ended", [EndForkStorm]),
    case!(ring, "a-ring-that-restarts-its-members-is-ended", [EndForkStorm]),
    case!(storm, "a-fork-storm-is-ended", [EndForkStorm]),
    case!(wide, "a-thousand-children-are-ended", [EndEverything]).within(90),
    case!(wide_by_force, "a-thousand-children-are-ended-by-force", [EndEverything]).within(90),
    case!(deep, "three-hundred-generations-are-ended", [EndEverything]).within(90),
];

async fn asked(scene: &Scene, workload: &str, args: &[&str]) -> Checked<CleanupOutcome> {
    let task = scene.start_ready(workload, args, 1).await?;
    scene.end(&task, &patient().grace(Duration::from_millis(100))).await
}

async fn chain(scene: Arc<Scene>) -> Checked {
    asked(&scene, "chain", &["1"]).await.map(drop)
}

async fn chains(scene: Arc<Scene>) -> Checked {
    asked(&scene, "chain", &["4"]).await.map(drop)
}

async fn sessions(scene: Arc<Scene>) -> Checked {
    asked(&scene, "chain-of-sessions", &["1"]).await.map(drop)
}

async fn ring(scene: Arc<Scene>) -> Checked {
    let outcome = asked(&scene, "ring", &[]).await?;
    if scene.must_be_clean() {
        require!(outcome.escalated(), "a ring that ignores requests was ended without force");
    }
    Ok(())
}

async fn storm(scene: Arc<Scene>) -> Checked {
    asked(&scene, "fork-storm", &[]).await.map(drop)
}

async fn wide(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("wide", &[&platform::CROWD.to_string()], platform::CROWD + 1).await?;
    let outcome = scene.end(&task, &patient().grace(Duration::from_secs(20))).await?;
    if scene.must_be_clean() && scene.guaranteed(Capability::AskFirst) {
        require!(!outcome.escalated(), "force was used on a thousand that end when asked");
    }
    Ok(())
}

async fn wide_by_force(scene: Arc<Scene>) -> Checked {
    let task = scene.start_ready("wide", &[&platform::CROWD.to_string()], platform::CROWD + 1).await?;
    scene.end(&task, &Teardown::at_once().deadline(Duration::from_secs(20))).await.map(drop)
}

async fn deep(scene: Arc<Scene>) -> Checked {
    let task =
        scene.start_ready("deep", &[&platform::GENERATIONS.to_string()], platform::GENERATIONS + 1).await?;
    scene.end(&task, &patient().grace(Duration::from_secs(20))).await.map(drop)
}
