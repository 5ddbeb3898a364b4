//! Calls that are dropped at any point, and called again.

mod common;

use std::pin::pin;

use common::{
    FAULTS, STEPS_OF_DESTROY, ended_leaving, ms, poll_times, quiet_scripted_panics, script, start, teardown,
    with_fault,
};
use spawner_core::fake::{FakeSpawner, Fault, Heeds, Script, Step};
use spawner_core::{Capability, ErrorKind, Limits, Output, Spawner as _, TaskSpec, Verdict};
use tokio::time::{Instant, sleep};

/// More than any walk here takes.
const MANY: usize = 200;

#[tokio::test(start_paused = true)]
async fn a_destroy_dropped_at_any_point_goes_on_when_called_again() {
    let scripts = [
        (script(&[Heeds::Ask]), Verdict::Clean),
        (script(&[Heeds::Ask, Heeds::Force]), Verdict::Clean),
        (ended_leaving(&[Heeds::Force]), Verdict::Clean),
        (ended_leaving(&[Heeds::Time(ms(100))]), Verdict::Clean),
        (script(&[Heeds::Nothing]), Verdict::Leaked),
    ];
    for (script, verdict) in scripts {
        // Every step takes a turn, so that the walk stops in every one of them.
        let script = Script { latency: ms(1), ..script };
        let left = usize::from(script.exit.is_some() && script.members[1] == Heeds::Force);
        let mut polls = 0;
        loop {
            assert!(polls < MANY, "it never completes");
            let (spawner, task) = start(script.clone()).await;
            let first = poll_times(spawner.destroy_task(&task, &teardown()), polls).await;
            let done = first.is_some();
            let again = spawner.destroy_task(&task, &teardown()).await;
            assert_eq!(again.verdict(), verdict, "dropped after {polls} polls: {again}");
            assert_eq!(again.left_behind_total(), left, "dropped after {polls} polls");
            if verdict == Verdict::Clean {
                assert_eq!(spawner.alive(), 0);
            }
            if done {
                break;
            }
            polls += 1;
        }
        assert!(polls > 3, "the walk stopped nowhere");
    }
}

#[tokio::test(start_paused = true)]
async fn a_destroy_dropped_at_any_point_never_keeps_another_caller_out() {
    for step in STEPS_OF_DESTROY {
        let hanging = with_fault(ended_leaving(&[Heeds::Force]), step, Fault::Hang);
        for polls in 0..8 {
            let (spawner, task) = start(hanging.clone()).await;
            let dropped = poll_times(spawner.destroy_task(&task, &teardown()), polls).await;
            let began = Instant::now();
            let outcome = spawner.destroy_task(&task, &teardown()).await;
            assert!(began.elapsed() <= common::bound(&teardown()), "{step:?}, {polls}");
            assert!(
                !outcome.to_string().contains("another call"),
                "{step:?}, {polls}: {dropped:?} {outcome}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_caller_is_told_that_another_is_still_at_work_when_its_own_time_is_over() {
    let (spawner, task) = start(script(&[Heeds::Nothing])).await;
    let (patient, hasty) = (teardown().grace(ms(60_000)), teardown().grace(ms(0)).deadline(ms(100)));
    let mut first = pin!(spawner.destroy_task(&task, &patient));
    tokio::select! {
        _ = &mut first => panic!("it has a minute"),
        () = sleep(ms(1)) => {}
    }
    let second = spawner.destroy_task(&task, &hasty).await;
    assert_eq!(second.verdict(), Verdict::Unverified);
    let told = format!(
        "another call that destroys it is still at work. To remove it by hand: spawner destroy {}",
        task.id()
    );
    assert!(second.to_string().contains(&told), "{second}");
    assert_eq!(first.await.verdict(), Verdict::Leaked);
}

/// Waits until a dropped start has been torn down and accounted for.
async fn accounted(spawner: &FakeSpawner) -> Vec<spawner_core::CleanupOutcome> {
    let deadline = Instant::now() + ms(60_000);
    loop {
        let outcomes = spawner.abandoned();
        if !outcomes.is_empty() || Instant::now() > deadline {
            return outcomes;
        }
        sleep(ms(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_leaves_nothing_and_its_error_accounts_for_what_was_made() {
    for (step, made) in [(Step::Start, false), (Step::Started, true)] {
        let spawner = FakeSpawner::new(with_fault(script(&[Heeds::Force]), step, Fault::Fail));
        let error = spawner.spawn_task(&TaskSpec::new(["x"])).await.expect_err("the script says so");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(error.cleanup().is_some(), made);
        assert!(error.cleanup().is_none_or(spawner_core::CleanupOutcome::is_clean));
        assert_eq!(spawner.alive(), 0);
        assert!(spawner.abandoned().is_empty(), "it is accounted for once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_that_cannot_be_undone_says_so_in_its_error() {
    let spawner = FakeSpawner::new(with_fault(script(&[Heeds::Nothing]), Step::Started, Fault::Fail));
    let error = spawner.spawn_task(&TaskSpec::new(["x"])).await.expect_err("the script says so");
    assert_eq!(error.cleanup().map(spawner_core::CleanupOutcome::verdict), Some(Verdict::Leaked));
}

#[tokio::test(start_paused = true)]
async fn a_start_dropped_at_any_point_leaves_nothing_and_the_ledger_accounts_for_it() {
    for fault in [None, Some(Fault::Fail), Some(Fault::Hang)] {
        let mut script = Script { latency: ms(1), ..script(&[Heeds::Force]) };
        script.faults.extend(fault.map(|fault| (Step::Started, fault)));
        let mut abandoned = 0;
        for polls in 0..MANY {
            let spawner = FakeSpawner::new(script.clone());
            let spec = TaskSpec::new(["x"]);
            let outcome = poll_times(spawner.spawn_task(&spec), polls).await;
            if outcome.is_some() {
                assert!(spawner.abandoned().is_empty(), "{fault:?}: who got an answer has the account");
                break;
            }
            if spawner.started() == 0 {
                continue;
            }
            let outcomes = accounted(&spawner).await;
            assert_eq!(outcomes.len(), 1, "{fault:?}, dropped after {polls} polls");
            assert!(outcomes[0].is_clean());
            assert_eq!(spawner.alive(), 0);
            abandoned += 1;
            if fault == Some(Fault::Hang) && polls > 8 {
                break;
            }
        }
        assert!(abandoned > 0, "{fault:?}: the walk dropped nothing that was made");
    }
}

#[tokio::test(start_paused = true)]
async fn the_account_of_a_failed_start_is_not_lost_when_its_caller_leaves_as_it_arrives() {
    let spawner = FakeSpawner::new(with_fault(script(&[Heeds::Force]), Step::Started, Fault::Fail));
    let spec = TaskSpec::new(["x"]);
    let mut starting = Box::pin(spawner.spawn_task(&spec));
    assert!(poll_times(&mut starting, 1).await.is_none(), "it waits for the teardown");
    // The teardown is long over when the caller leaves without having looked.
    sleep(ms(60_000)).await;
    assert_eq!(spawner.alive(), 0);
    drop(starting);
    assert_eq!(accounted(&spawner).await.len(), 1);
}

#[tokio::test]
async fn a_start_dropped_on_a_thread_without_a_runtime_is_torn_down_too() {
    let spawner = FakeSpawner::new(with_fault(script(&[Heeds::Ask]), Step::Started, Fault::Hang));
    let (starter, spec) = (spawner.clone(), TaskSpec::new(["x"]));
    let mut starting = Box::pin(async move { starter.spawn_task(&spec).await.map(|_| ()) });
    assert!(poll_times(&mut starting, 1).await.is_none());
    assert_eq!(spawner.alive(), 1);
    std::thread::spawn(move || drop(starting)).join().expect("dropping does not panic");
    assert_eq!(accounted(&spawner).await.len(), 1);
    assert_eq!(spawner.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_panics_is_torn_down_and_accounted_for() {
    quiet_scripted_panics();
    let spawner = FakeSpawner::new(with_fault(script(&[Heeds::Force]), Step::Started, Fault::Panic));
    let starter = spawner.clone();
    let joined = tokio::spawn(async move { starter.spawn_task(&TaskSpec::new(["x"])).await.is_ok() }).await;
    assert!(joined.expect_err("the panic is the starter's").is_panic());
    let outcomes = accounted(&spawner).await;
    assert_eq!(outcomes.len(), 1);
    assert!(outcomes[0].is_clean());
    assert_eq!(spawner.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_supported_is_refused_before_the_backend_sees_it() {
    let limits = |limits| TaskSpec::new(["x"]).limits(limits);
    let asked = [
        (limits(Limits { memory: Some(1), ..Limits::default() }), Capability::LimitMemory),
        (limits(Limits { pids: Some(1), ..Limits::default() }), Capability::LimitPids),
        (limits(Limits { cpus: Some(1.0), ..Limits::default() }), Capability::LimitCpu),
        (TaskSpec::new(["x"]).stdout(Output::Stream), Capability::StreamOutput),
        (TaskSpec::new(["x"]).stderr(Output::Terminal), Capability::Terminal),
    ];
    for (spec, capability) in asked {
        // A start that got as far as the backend would panic.
        let spawner = FakeSpawner::new(with_fault(Script::default(), Step::Start, Fault::Panic));
        let error = spawner.spawn_task(&spec).await.expect_err("it is not supported");
        assert_eq!(error.kind(), ErrorKind::Unsupported(capability));
        let told = error.to_string();
        assert!(told.contains("`fake`") && told.contains(capability.name()), "{told}");
        assert!(error.cleanup().is_none() && spawner.started() == 0);
    }
    let spawner = FakeSpawner::new(with_fault(Script::default(), Step::Start, Fault::Panic));
    let error = spawner.spawn_task(&TaskSpec::new([""; 0])).await.expect_err("it makes no sense");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec);
}

#[tokio::test(start_paused = true)]
async fn a_failed_or_hanging_start_step_is_nobody_elses_trouble() {
    for fault in FAULTS {
        let spawner = FakeSpawner::new(with_fault(Script::default(), Step::Start, fault));
        let spec = TaskSpec::new(["x"]);
        if fault != Fault::Panic {
            let started = poll_times(spawner.spawn_task(&spec), 3).await;
            assert!(started.is_none_or(|started| started.is_err()));
        }
        assert_eq!(spawner.started(), 0);
        assert!(spawner.abandoned().is_empty());
    }
}
