//! Many processes at once: all of them are ended, and counted, also those that have no room in the list.

mod common;

use common::{Witness, with};
use spawner_core::{Evidence, Spawner, Teardown};
use spawner_process::Choice;
use tokio::io::AsyncReadExt as _;

/// With the one that makes them, three times what an outcome lists.
const CHILDREN: usize = 3 * Evidence::LISTED - 1;

#[tokio::test]
async fn a_crowd_that_is_ended_by_force_is_counted_and_gone() {
    for spawner in with(&[Choice::CgroupV2, Choice::Subreaper, Choice::PidNamespace]) {
        let name = spawner.mechanism().name();
        let witness = Witness::new();
        let program = format!("for (1..{CHILDREN}) {{ fork or sleep(300) }} print \"born\\n\"; sleep 300;");
        let (task, mut streams) = witness.start(&spawner, &program).await;
        let mut born = [0; 5];
        streams.stdout.as_mut().unwrap().read_exact(&mut born).await.unwrap();
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        let held = witness.is_held();
        assert!(outcome.is_clean() && !held, "{name}: {outcome:?}");
        assert_eq!(outcome.resources_total(), CHILDREN + 1, "{name}");
        assert!(outcome.resources().len() >= Evidence::LISTED, "{name}: {}", outcome.resources().len());
        spawner.shutdown().await.unwrap();
    }
}
