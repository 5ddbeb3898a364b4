//! What a task starts in a pid namespace that was there before it.

mod common;

use std::process::Stdio;

use common::{Witness, children, poll, with};
use spawner_core::{Spawner, Teardown};
use spawner_process::Choice;
use tokio::process::Command;

/// Its orphans fall to that namespace's init, and to no keeper: the declared limit of the mechanism `subreaper`.
#[tokio::test]
async fn an_orphan_in_a_foreign_pid_namespace_is_held_by_the_control_group_alone() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root enters a pid namespace without a user namespace");
    }
    for (mechanism, held) in [(Choice::CgroupV2, false), (Choice::Subreaper, true)] {
        for spawner in with(&[mechanism]) {
            let mut unshare = Command::new("unshare")
                .args(["--pid", "--fork", "--kill-child", "sleep", "300"])
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            let mut init = None;
            poll("there is no namespace", || {
                init = children(unshare.id().unwrap()).first().copied();
                init.is_some()
            })
            .await;
            let witness = Witness::new();
            // The lock goes on to whom nsenter forks in there; and from that to its orphan.
            let enter = format!(
                "system('nsenter', '-t', {}, '-p', 'sh', '-c', 'sleep 300 <&- >&- 2>&- &') == 0 or die; close F;",
                init.unwrap()
            );
            let (task, _streams) = witness.start(&spawner, &enter).await;
            spawner.wait_task(&task).await.unwrap();
            let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
            assert!(outcome.is_clean(), "{outcome:?}");
            assert_eq!(witness.is_held(), held, "{}", mechanism.name());
            unshare.kill().await.unwrap();
            witness.let_go().await;
            spawner.shutdown().await.unwrap();
        }
    }
}
