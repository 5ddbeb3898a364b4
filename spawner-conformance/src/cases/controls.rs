//! Controls: what is clean must be said to be, again and again.

use std::sync::Arc;

use spawner_core::Exit;

use super::detach::patient;
use super::platform;
use crate::case::{Case, Checked, case, require};
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(thousand, "a-thousand-clean-runs-are-clean", [ProveClean]).within(120),
    case!(short_lived, "five-hundred-short-lived-children-leave-nothing", [ProveClean, NameLeftBehind]),
    case!(at_once, "a-hundred-tasks-at-once-are-kept-apart", [EndEverything, ProveClean]).within(150),
];

async fn thousand(scene: Arc<Scene>) -> Checked {
    // Containers take so much longer, and so does another machine.
    let runs = match (scene.contained(), scene.elsewhere()) {
        (true, _) => 50,
        (false, true) => 100,
        (false, false) => platform::RUNS,
    };
    for run in 0..runs {
        let code = run % 256;
        let task = scene.start("exits", &[&code.to_string()]).await?;
        scene.wait_for(&task, &Exit::Exited { code }).await?;
        let outcome = scene.end(&task, &patient()).await?;
        let (left, forced) = (outcome.left_behind_total(), outcome.escalated());
        let who = outcome.left_behind();
        require!(left == 0 && !forced, "run {run}: {left} left behind, force used: {forced}; {who:?}");
    }
    Ok(())
}

async fn short_lived(scene: Arc<Scene>) -> Checked {
    let task = scene.start("short-lived", &[&platform::SHORT_LIVED.to_string()]).await?;
    scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
    let outcome = scene.end(&task, &patient()).await?;
    require!(outcome.left_behind_total() == 0, "left behind: {:?}", outcome.left_behind());
    require!(!outcome.escalated(), "force was used on a task that had ended");
    Ok(())
}

async fn at_once(scene: Arc<Scene>) -> Checked {
    let mut tasks = Vec::new();
    let count: u64 = if scene.elsewhere() { 50 } else { platform::AT_ONCE };
    for _ in 0..count {
        tasks.push(scene.start("well-behaved", &[]).await?);
    }
    scene.ready(count).await?;
    while let Some(task) = tasks.pop() {
        // The witness sees the other tasks, so that only the last outcome can be judged by it.
        if tasks.is_empty() {
            return scene.end(&task, &patient()).await.map(drop);
        }
        let outcome = scene.spawner.destroy_task(&task, &patient()).await;
        require!(outcome.is_clean() || !scene.must_be_clean(), "not clean: {outcome}");
        let living = scene.witness.living().len();
        require!(living >= tasks.len(), "{living} are alive, and {} tasks were not destroyed", tasks.len());
        let exact = living == tasks.len() || !outcome.is_clean();
        require!(exact, "false clean: {living} are alive, of {} tasks that were not destroyed", tasks.len());
    }
    Ok(())
}
