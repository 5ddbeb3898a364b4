//! What makes new processes as fast as it can.

use std::time::Duration;

use spawner_core::{Evidence, Output, Spawner as _, TaskSpec, Teardown, Verdict};

use super::eyes;
use super::lives::spawner;
use super::parts::part;
use super::run::{Test, block};

pub(crate) const ALL: &[Test] = &[("a storm is struck, and its names are cut", storm)];

fn storm() {
    let (_folder, spawner) = spawner();
    block(async {
        let before = eyes::copies();
        let spec = TaskSpec::new(part(["storm"])).stdout(Output::Null).stderr(Output::Null);
        let task = spawner.spawn_task(&spec).await.unwrap();
        eyes::until("it storms", || eyes::copies().len() > before.len() + 20);
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        assert_eq!(outcome.verdict(), Verdict::Clean, "{outcome}");
        let left: Vec<_> = eyes::copies().into_iter().filter(|pid| !before.contains(pid)).collect();
        assert_eq!(left, Vec::<u32>::new());
        assert!(outcome.resources().len() <= Evidence::LISTED + 1);
        assert!(outcome.elapsed() < Duration::from_secs(20), "{:?}", outcome.elapsed());
        println!("  {} processes, ended in {:?}", outcome.resources_total(), outcome.elapsed());
    });
}
