//! What keepers leave that end before their tasks do.

mod common;

use std::time::{Duration, Instant};

use common::freezer::Freezer;
use common::{Witness, field, keeper_of, parent, poll, signal, with};
use spawner_core::{Exit, Fate, Spawner, TaskSpec, Teardown, Verdict};
use spawner_process::Choice;

const MECHANISMS: [Choice; 2] = [Choice::CgroupV2, Choice::Subreaper];

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn a_keeper_that_its_task_has_leave_as_if_all_was_well_is_not_believed() {
    // Has the keeper, which sleeps in a system call, call exit_group(0) in place of it.
    let program = r#"
        require 'syscall.ph';
        if (!fork) { setpgrp; sleep 300; exit }
        my ($keeper, $regs) = (getppid, "\0" x 216);
        my $trace = sub { syscall(&SYS_ptrace, $_[0], $keeper, 0, $_[1]) == 0 or die "ptrace: $!" };
        $trace->(16, 0);
        waitpid $keeper, 0x40000000;
        $trace->(12, $regs);
        my @regs = unpack 'Q27', $regs;
        ($regs[10], $regs[14], $regs[15]) = (231, 0, 0xffffffffffffffff);
        $regs[16] -= 2;
        $regs = pack 'Q27', @regs;
        $trace->(13, $regs);
        $trace->(17, 0);
        sleep 300;"#;
    for spawner in with(&MECHANISMS) {
        let name = spawner.mechanism().name();
        let witness = Witness::new();
        let (task, _streams) = witness.start(&spawner, program).await;
        assert!(matches!(spawner.wait_task(&task).await.unwrap(), Exit::Lost { .. }), "{name}");
        let left = Instant::now();
        witness.let_go().await;
        assert!(left.elapsed() < Duration::from_secs(1), "{name}: {:?}", left.elapsed());
        let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
        assert!(outcome.is_clean(), "{name}: {outcome:?}");
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_left_of_two_tasks_is_named_for_the_right_one() {
    for spawner in with(&MECHANISMS) {
        let name = spawner.mechanism().name();
        let Some(freezer) = Freezer::new("spawner-test-orphans") else { return };
        let tasks = [freezer.start(&spawner).await, freezer.start(&spawner).await];
        freezer.say("FROZEN");
        for keeper in tasks.each_ref().map(|(task, _)| keeper_of(task)) {
            signal(keeper, "KILL");
        }
        let short = Teardown::at_once().deadline(Duration::from_millis(500));
        for (task, child) in &tasks {
            let outcome = spawner.destroy_task(task, &short).await;
            let leftovers: Vec<_> =
                outcome.leftovers().map(|left| (left.resource().id.clone(), left.resource().fate)).collect();
            assert_eq!(leftovers, [(child.to_string(), Fate::Survived)], "{name}: {outcome:?}");
            assert_eq!(outcome.verdict(), Verdict::Leaked, "{name}");
        }
        freezer.say("THAWED");
        for (task, child) in &tasks {
            let outcome = spawner.destroy_task(task, &Teardown::default()).await;
            assert!(outcome.is_clean(), "{name}: {outcome:?}");
            assert_eq!(field(*child, "Pid:"), None);
        }
        spawner.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_supervisor_that_was_replaced_is_no_zombie() {
    for spawner in with(&MECHANISMS) {
        let task = spawner.spawn_task(&TaskSpec::new(["sleep", "300"])).await.unwrap();
        let supervisor = parent(keeper_of(&task));
        signal(supervisor, "KILL");
        poll("it lives", || field(supervisor, "State:").is_none_or(|state| state.starts_with('Z'))).await;
        let next = spawner.spawn_task(&TaskSpec::new(["true"])).await.unwrap();
        poll("it is a zombie", || field(supervisor, "Pid:").is_none()).await;
        for task in [task, next] {
            assert!(spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean());
        }
        spawner.shutdown().await.unwrap();
    }
}
