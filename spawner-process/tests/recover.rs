//! Tasks that outlive their harness, their keepers, or both.

mod common;

use common::{Witness, field, keeper_of, parent, poll, signal};
use spawner_core::{ErrorKind, Exit, Spawner, Task, TaskSpec, TaskState, Teardown, Verdict};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};

const KEPT: [Choice; 3] = [Choice::CgroupV2, Choice::Subreaper, Choice::PidNamespace];

/// Two spawners of each mechanism, as two harnesses have them, with one journal.
fn pairs(mechanisms: &[Choice]) -> Vec<(ProcessSpawner, ProcessSpawner, tempfile::TempDir)> {
    let pair = |&mechanism| {
        let folder = tempfile::tempdir().unwrap();
        let config = ProcessConfig {
            mechanism,
            state_dir: Some(folder.path().to_owned()),
            sweep: false,
            ..ProcessConfig::default()
        };
        let made = ProcessSpawner::new(config.clone())
            .and_then(|first| Ok((first, ProcessSpawner::new(config)?, folder)));
        made.inspect_err(|error| eprintln!("skipped {}: {error}", mechanism.name())).ok()
    };
    mechanisms.iter().filter_map(pair).collect()
}

fn files(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn holding(witness: &Witness, then: &str) -> TaskSpec {
    let program = format!(
        "open(F, '>', '{}') or die; my $whole = pack('ssx4qqix4', 1, 0, 0, 0, 0); \
         fcntl(F, 37, $whole) or die; $| = 1; print \"ready\\n\"; {then}",
        witness.path().display()
    );
    TaskSpec::new(["perl", "-e", &program]).detached()
}

async fn detached(spawner: &ProcessSpawner, witness: &Witness, then: &str) -> Task {
    let task = spawner.spawn_task(&holding(witness, then)).await.unwrap();
    let log = task.record().logs.stdout.clone().unwrap();
    poll("the task is not ready", || std::fs::read_to_string(&log).is_ok_and(|text| text == "ready\n")).await;
    task
}

#[tokio::test]
async fn a_detached_task_outlives_its_harness_and_is_ended_by_another_with_proof() {
    for (first, second, folder) in pairs(&KEPT) {
        let witness = Witness::new();
        let task = detached(&first, &witness, "if (fork()) { sleep 300 } else { fork(); sleep 300 }").await;
        first.shutdown().await.unwrap();
        assert!(witness.is_held());
        let recovered = second.recover_task(task.record()).await.unwrap();
        assert_eq!(second.task_state(&recovered).await.unwrap(), TaskState::Running);
        let outcome = second.destroy_task(&recovered, &Teardown::default()).await;
        assert!(outcome.is_clean(), "{outcome:?}");
        assert!(!witness.is_held());
        assert_eq!(files(&folder), Vec::<String>::new());
        let error = second.recover_task(task.record()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownTask);
    }
}

#[tokio::test]
async fn a_detached_task_that_ended_keeps_its_exit_its_output_and_the_proof() {
    for (first, second, folder) in pairs(&KEPT) {
        let witness = Witness::new();
        let task = detached(&first, &witness, "sleep 300").await;
        let keeper = keeper_of(&task);
        first.shutdown().await.unwrap();
        signal(task.record().leader.as_ref().unwrap().pid, "TERM");
        poll("the keeper is there", || field(keeper, "State:").is_none()).await;
        let recovered = second.recover_task(task.record()).await.unwrap();
        let exit = second.wait_task(&recovered).await.unwrap();
        assert_eq!(exit, Exit::Signalled { signal: 15, core: false });
        let log = recovered.record().logs.stdout.clone().unwrap();
        assert_eq!(std::fs::read_to_string(log).unwrap(), "ready\n");
        assert!(second.destroy_task(&recovered, &Teardown::default()).await.is_clean());
        assert_eq!(files(&folder), Vec::<String>::new());
    }
}

/// A start is noted just after it is told, and a note may be missing for good.
#[tokio::test]
async fn a_task_whose_start_is_not_on_record_is_known_by_what_was_meant() {
    for (first, second, folder) in pairs(&Choice::MECHANISMS) {
        let witness = Witness::new();
        let (task, _streams) = witness.start(&first, "sleep 300").await;
        let page = folder.path().join(format!("{}.task", task.id()));
        poll("its start is not noted", || lines(&page) == 2).await;
        let text = std::fs::read_to_string(&page).unwrap();
        let opening = text.split_inclusive('\n').next().unwrap();
        std::fs::File::options().write(true).open(&page).unwrap().set_len(opening.len() as u64).unwrap();
        let recovered = second.recover_task(task.record()).await.unwrap();
        assert_eq!(recovered.record(), task.record());
        let outcome = second.destroy_task(&recovered, &Teardown::default()).await;
        assert!(!witness.is_held(), "{outcome:?}");
        assert_eq!(outcome.mechanisms(), task.record().mechanisms);
        assert!(!first.destroy_task(&task, &Teardown::default()).await.mechanisms().is_empty());
    }
}

fn lines(page: &std::path::Path) -> usize {
    std::fs::read_to_string(page).unwrap().lines().count()
}

#[tokio::test]
async fn a_task_of_a_living_harness_can_be_destroyed_by_another() {
    for (first, second, folder) in pairs(&KEPT) {
        let witness = Witness::new();
        let (task, _streams) = witness.start(&first, "sleep 300").await;
        let recovered = second.recover_task(task.record()).await.unwrap();
        let outcome = second.destroy_task(&recovered, &Teardown::default()).await;
        assert!(outcome.is_clean() && !witness.is_held(), "{outcome:?}");
        assert_eq!(first.wait_task(&task).await.unwrap(), Exit::Signalled { signal: 15, core: false });
        assert!(first.destroy_task(&task, &Teardown::default()).await.is_clean());
        assert_eq!(files(&folder), Vec::<String>::new());
        let (next, _streams) = witness.start(&first, "sleep 300").await;
        assert!(first.destroy_task(&next, &Teardown::default()).await.is_clean());
        first.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_outlived_keeper_and_supervisor_is_ended_and_never_called_clean() {
    for (first, second, folder) in pairs(&KEPT) {
        let witness = Witness::new();
        let (task, _streams) = witness.start(&first, "fork(); setpgrp; fork(); sleep 300").await;
        let keeper = keeper_of(&task);
        let supervisor = parent(keeper);
        signal(supervisor, "STOP");
        signal(keeper, "KILL");
        signal(supervisor, "KILL");
        poll("the supervisor is there", || {
            field(supervisor, "State:").is_none_or(|state| state.starts_with('Z'))
        })
        .await;
        // The harness is alive, so a sweep leaves it alone; the harness itself ends what is left.
        assert!(second.sweep().await.is_empty());
        let exit = first.wait_task(&task).await.unwrap();
        assert!(matches!(exit, Exit::Lost { .. }), "{exit:?}");
        let outcome = first.destroy_task(&task, &Teardown::default()).await;
        witness.let_go().await;
        let by_kernel = first.mechanism() == Choice::PidNamespace;
        let expected = if by_kernel { Verdict::Clean } else { Verdict::Unverified };
        assert_eq!(outcome.verdict(), expected, "{outcome:?}");
        assert_eq!(files(&folder), Vec::<String>::new());
        let (next, _streams) = witness.start(&first, "sleep 300").await;
        assert!(first.destroy_task(&next, &Teardown::default()).await.is_clean());
        first.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn helpers_of_a_dead_harness_that_are_stuck_are_ended_by_a_sweep() {
    for (first, second, folder) in pairs(&[Choice::Subreaper]) {
        // The record of a dead harness, whose helpers are played by programs that answer nobody.
        let deaf = "trap '' USR1; exec sleep 300";
        let played = || std::process::Command::new("sh").args(["-c", deaf]).spawn().unwrap();
        let (mut keeper, mut supervisor) = (played(), played());
        for helper in [&keeper, &supervisor] {
            poll("it is not deaf yet", || field(helper.id(), "Name:").as_deref() == Some("sleep")).await;
            signal(helper.id(), "STOP");
        }
        let task = first.spawn_task(&TaskSpec::new(["true"])).await.unwrap();
        assert!(first.destroy_task(&task, &Teardown::default()).await.is_clean());
        let identity = |child: &std::process::Child| spawner_core::ProcessIdentity::of(child.id()).unwrap();
        let page = second.journal().open(
            "process",
            task.record(),
            serde_json::json!({
                "keeper": identity(&keeper), "supervisor": identity(&supervisor), "group": null,
            }),
        );
        let page = page.unwrap();
        let text = std::fs::read_to_string(page.path()).unwrap();
        let own = format!("\"pid\":{},", std::process::id());
        std::fs::write(page.path(), text.replacen(&own, "\"pid\":4194303,", 1)).unwrap();

        let outcomes = second.sweep().await;
        assert_eq!(outcomes.iter().map(spawner_core::CleanupOutcome::task).collect::<Vec<_>>(), [task.id()]);
        assert_eq!(outcomes[0].verdict(), Verdict::Unverified);
        // SIGKILL ends what is stopped; SIGCONT alone would leave a sleep that goes on.
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&keeper.wait().unwrap()), Some(9));
        assert_eq!(files(&folder), Vec::<String>::new());
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
        first.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_record_that_somebody_else_took_away_is_no_proof() {
    for (first, second, folder) in pairs(&[Choice::CgroupV2, Choice::Subreaper]) {
        let witness = Witness::new();
        let (task, _streams) = witness.start(&first, "sleep 300").await;
        let keeper = keeper_of(&task);
        let supervisor = parent(keeper);
        signal(supervisor, "STOP");
        signal(keeper, "KILL");
        signal(supervisor, "KILL");
        let ended = || field(supervisor, "State:").is_none_or(|state| state.starts_with('Z'));
        poll("the supervisor is there", ended).await;
        let recovered = second.recover_task(task.record()).await.unwrap();
        let outcome = second.destroy_task(&recovered, &Teardown::default()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:?}");
        assert_eq!(files(&folder), Vec::<String>::new());
        let outcome = first.destroy_task(&task, &Teardown::default()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:?}");
        witness.let_go().await;
        first.shutdown().await.unwrap();
    }
}
