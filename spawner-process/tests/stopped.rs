//! A helper that a task has stopped keeps nobody from starting, signalling, ending and leaving.

mod common;

use common::{PATIENCE, Witness, field, keeper_of, parent, poll, signal, with};
use spawner_core::{ErrorKind, Exit, Spawner, TaskSpec, Teardown};
use spawner_process::Choice;
use tokio::io::AsyncReadExt as _;
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

#[tokio::test]
async fn a_stopped_keeper_is_resumed_for_its_next_task_and_for_a_signal() {
    for spawner in with(&[Choice::CgroupV2, Choice::Subreaper]) {
        let name = spawner.mechanism().name();
        let spec = TaskSpec::new(["sleep", "300"]);
        let first = spawner.spawn_task(&spec).await.unwrap();
        let keeper = keeper_of(&first);
        let stop = async || {
            signal(keeper, "STOP");
            poll("it runs", || field(keeper, "State:").is_some_and(|state| state.starts_with('T'))).await;
        };
        assert!(spawner.destroy_task(&first, &Teardown::at_once()).await.is_clean());
        stop().await;
        let next = timeout(PATIENCE, spawner.spawn_task(&spec)).await;
        let next = next.unwrap_or_else(|_| panic!("{name}: no start")).unwrap();
        assert_eq!(keeper_of(&next), keeper, "{name}");

        stop().await;
        let sent = timeout(PATIENCE, spawner.signal_task(&next, 15)).await;
        sent.unwrap_or_else(|_| panic!("{name}: no signal")).unwrap();
        assert_eq!(spawner.wait_task(&next).await.unwrap(), Exit::Signalled { signal: 15, core: false });
        assert!(spawner.destroy_task(&next, &Teardown::default()).await.is_clean());
        spawner.shutdown().await.unwrap();
    }
}

/// SIGCONT does not let go on what a tracer holds.
#[tokio::test]
async fn a_start_is_given_up_whose_keeper_stays_stopped() {
    for spawner in with(&[Choice::Subreaper]) {
        let name = spawner.mechanism().name();
        let first = spawner.spawn_task(&TaskSpec::new(["sleep", "300"])).await.unwrap();
        let keeper = keeper_of(&first);
        assert!(spawner.destroy_task(&first, &Teardown::at_once()).await.is_clean());
        // PTRACE_ATTACH is 16. The tracer ends by itself.
        let program = "require 'syscall.ph'; $| = 1; \
                       syscall(&SYS_ptrace, 16, $ARGV[0] + 0, 0, 0) == 0 or print('denied') and exit; \
                       waitpid $ARGV[0], 0x40000000; print 'traced'; sleep 60;";
        let mut tracer = tokio::process::Command::new("perl")
            .args(["-e", program, &keeper.to_string()])
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = [0; 6];
        tracer.stdout.as_mut().unwrap().read_exact(&mut said).await.unwrap();
        if &said == b"denied" {
            return eprintln!("skipped: nobody may trace what is not below him (kernel.yama.ptrace_scope)");
        }
        let witness = Witness::new();
        let spec = TaskSpec::new(["perl", "-e", &witness.program("sleep 300;")]);
        let refused = timeout(2 * PATIENCE, spawner.spawn_task(&spec)).await;
        let error = refused.unwrap_or_else(|_| panic!("{name}: no answer")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{name}: {error}");
        tracer.kill().await.unwrap();
        poll("its keeper is there", || field(keeper, "Pid:").is_none()).await;
        witness.let_go().await;
        let next = spawner.spawn_task(&TaskSpec::new(["true"])).await.unwrap();
        assert!(spawner.destroy_task(&next, &Teardown::default()).await.is_clean());
        spawner.shutdown().await.unwrap();
    }
}
