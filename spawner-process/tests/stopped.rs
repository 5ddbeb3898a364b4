//! A supervisor that a task has stopped keeps nobody from starting, ending and leaving.

mod common;

use common::{PATIENCE, Witness, field, keeper_of, parent, signal, with};
use spawner_core::{Spawner, TaskSpec, Teardown};
use spawner_process::Choice;
use tokio::time::timeout;

#[tokio::test]
async fn a_stopped_supervisor_is_resumed() {
    for spawner in with(&[Choice::CgroupV2, Choice::Subreaper]) {
        let name = spawner.mechanism().name();
        let witness = Witness::new();
        let (task, _streams) = witness.start(&spawner, "sleep 300;").await;
        let keeper = keeper_of(&task);
        let supervisor = parent(keeper);
        signal(supervisor, "STOP");
        let next = timeout(PATIENCE, spawner.spawn_task(&TaskSpec::new(["true"]))).await;
        let next = next.unwrap_or_else(|_| panic!("{name}: no start")).unwrap();
        assert!(spawner.destroy_task(&next, &Teardown::default()).await.is_clean());

        signal(supervisor, "STOP");
        signal(keeper, "STOP");
        let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
        assert!(outcome.is_clean() && !witness.is_held(), "{name}: {outcome:?}");

        signal(supervisor, "STOP");
        timeout(PATIENCE, spawner.shutdown()).await.unwrap_or_else(|_| panic!("{name}: no end")).unwrap();
        assert_eq!(field(supervisor, "Pid:"), None);
    }
}
