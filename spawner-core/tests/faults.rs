//! Rungs that fail, hang or panic: the later ones are climbed all the same, in time, and the truth is told.

mod common;

use common::{
    FAULTS, STEPS_OF_DESTROY, bound, ended_leaving, ms, quiet_scripted_panics, script, start, teardown,
    with_fault,
};
use spawner_core::fake::{Fault, Heeds, Script, Step};
use spawner_core::{Fate, Resource, ResourceKind, Spawner as _, Strength, TaskSpec, Teardown, Verdict};
use tokio::time::Instant;

fn scripts() -> Vec<Script> {
    [
        script(&[Heeds::Ask]),
        script(&[Heeds::Ask, Heeds::Force]),
        script(&[Heeds::Nothing]),
        ended_leaving(&[]),
        ended_leaving(&[Heeds::Force]),
        ended_leaving(&[Heeds::Nothing]),
    ]
    .into_iter()
    .flat_map(|script| [Script { latency: ms(10), ..script.clone() }, script])
    .collect()
}

#[tokio::test(start_paused = true)]
async fn the_whole_is_bounded_and_never_falsely_clean_whatever_goes_wrong_where() {
    let teardowns = [
        teardown(),
        Teardown::at_once(),
        Teardown::default().deadline(ms(0)),
        Teardown::at_once().deadline(ms(0)),
    ];
    for (script, teardown) in scripts().iter().flat_map(|s| teardowns.iter().map(move |t| (s, t))) {
        for (step, fault) in STEPS_OF_DESTROY.into_iter().flat_map(|s| FAULTS.map(|f| (s, f))) {
            let case = format!("{:?} {step:?} {fault:?} {teardown:?}", script.members);
            let (spawner, task) = start(with_fault(script.clone(), step, fault)).await;
            let began = Instant::now();
            let outcome = spawner.destroy_task(&task, teardown).await;
            assert!(began.elapsed() <= bound(teardown), "{case}: took {:?}", began.elapsed());
            assert!(!outcome.is_clean() || spawner.alive() == 0, "{case}: falsely clean");
            let named = outcome.leftovers().filter(|it| it.resource().kind == ResourceKind::Process);
            let named: Vec<_> = named.map(|leftover| leftover.resource().id.clone()).collect();
            assert_eq!(named, spawner.alive_of(&task), "{case}: {outcome}");
            assert!(outcome.is_clean() || outcome.leftovers().next().is_some(), "{case}: nobody is told");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rung_that_goes_wrong_before_the_look_costs_no_proof_while_others_can_do_its_work() {
    for (step, fault) in
        [Step::AwaitEmpty, Step::Members, Step::Ask].into_iter().flat_map(|s| FAULTS.map(|f| (s, f)))
    {
        for latency in [0, 20] {
            let calm = Script { latency: ms(latency), ..script(&[Heeds::Ask, Heeds::Force]) };
            let (spawner, task) = start(with_fault(calm, step, fault)).await;
            let outcome = spawner.destroy_task(&task, &teardown()).await;
            assert!(outcome.is_clean(), "{step:?} {fault:?} {latency}: {outcome}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_becomes_the_reason_of_what_is_left() {
    for (step, fault, reason) in [
        (Step::Ask, Fault::Fail, "asking it to end failed: cannot take the step Ask"),
        (Step::Ask, Fault::Hang, "asking it to end took too long"),
        (Step::Force, Fault::Fail, "ending it by force failed: cannot take the step Force"),
        (Step::Force, Fault::Hang, "ending it by force took too long"),
        (Step::Force, Fault::Panic, "ending it by force failed: it panicked: the script says so at Force"),
        (Step::AwaitEmpty, Fault::Fail, "watching it failed: cannot take the step AwaitEmpty"),
        (Step::Look, Fault::Fail, "cannot take the step Look"),
        (Step::Look, Fault::Hang, "nobody answered before the deadline"),
        (Step::Look, Fault::Panic, "it panicked: the script says so at Look"),
    ] {
        let (spawner, task) = start(with_fault(script(&[Heeds::Nothing]), step, fault)).await;
        let outcome = spawner.destroy_task(&task, &teardown()).await;
        let told = outcome.to_string();
        assert!(told.contains(reason), "{step:?} {fault:?}: {told}");
        let expected = if step == Step::Look { Verdict::Unverified } else { Verdict::Leaked };
        assert_eq!(outcome.verdict(), expected, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_asking_takes_no_time_from_the_force() {
    let calm = Script { latency: ms(50), ..script(&[Heeds::Force]) };
    let (spawner, task) = start(with_fault(calm, Step::Ask, Fault::Hang)).await;
    let outcome = spawner.destroy_task(&task, &teardown()).await;
    assert!(outcome.is_clean(), "{outcome}");
    assert_eq!(spawner.alive(), 0);
    assert!(outcome.elapsed() < ms(3500), "{:?}", outcome.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_grace_is_given_also_where_nobody_can_watch() {
    let slow = with_fault(script(&[Heeds::Time(ms(2500))]), Step::AwaitEmpty, Fault::Fail);
    for blind in [false, true] {
        let script = if blind { with_fault(slow.clone(), Step::Members, Fault::Fail) } else { slow.clone() };
        let (spawner, task) = start(script).await;
        let outcome = spawner.destroy_task(&task, &teardown()).await;
        assert_eq!(outcome.resources()[0].fate, Fate::Exited, "it had 3 s and needed 2.5: {outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_listing_could_not_name_is_still_said_to_have_been_left_behind() {
    for fault in FAULTS {
        let (spawner, task) =
            start(with_fault(ended_leaving(&[Heeds::Ask, Heeds::Force]), Step::Members, fault)).await;
        let outcome = spawner.destroy_task(&task, &teardown()).await;
        let ids: Vec<_> = outcome.left_behind().iter().map(|resource| resource.id.as_str()).collect();
        assert_eq!(ids, ["2", "3"], "{fault:?}");
        assert!(outcome.is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_release_keeps_what_was_proved_and_names_what_was_not_given_back() {
    for fault in FAULTS {
        let (spawner, task) = start(with_fault(script(&[Heeds::Ask]), Step::Release, fault)).await;
        let outcome = spawner.destroy_task(&task, &teardown()).await;
        assert_eq!(outcome.resources()[0].fate, Fate::Terminated, "{fault:?}: the process is gone");
        let leftovers: Vec<_> = outcome.leftovers().collect();
        assert_eq!(leftovers.len(), 1, "{fault:?}: {outcome}");
        assert_ne!(leftovers[0].resource().kind, ResourceKind::Process);
        assert_eq!(outcome.resources_total(), 2);
        assert!(!outcome.is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_given_back_after_a_look_that_went_wrong() {
    for fault in FAULTS {
        let (spawner, task) = start(with_fault(script(&[Heeds::Ask]), Step::Look, fault)).await;
        let outcome = spawner.destroy_task(&task, &teardown()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified);
        assert!(!spawner.calls(&task).contains(&Step::Release));
        assert_eq!(outcome.resources()[0].fate, Fate::Terminated, "what was observed stays observed");
        assert!(outcome.to_string().contains("cannot prove the end of task"), "{outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_rung_reaches_no_caller_and_spoils_no_later_call() {
    for step in STEPS_OF_DESTROY {
        let (spawner, task) = start(with_fault(ended_leaving(&[Heeds::Force]), step, Fault::Panic)).await;
        let teardown = teardown();
        let (one, two) =
            tokio::join!(spawner.destroy_task(&task, &teardown), spawner.destroy_task(&task, &teardown));
        assert_eq!(one.verdict(), two.verdict(), "{step:?}");
        let began = Instant::now();
        let third = spawner.destroy_task(&task, &teardown).await;
        assert_eq!(third.verdict(), one.verdict(), "{step:?}: {third}");
        assert!(began.elapsed() <= bound(&teardown));
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_did_not_look_can_claim_neither_a_proof_nor_a_survivor() {
    for fate in [Fate::Killed, Fate::Survived] {
        let found = Resource {
            kind: ResourceKind::Process,
            id: "42".into(),
            started: None,
            name: None,
            fate,
            reason: None,
            remedy: None,
        };
        let spawner = common::Finding::claiming_without_looking(found);
        let task = spawner.spawn_task(&TaskSpec::new(["x"])).await.expect("it starts");
        let outcome = spawner.destroy_task(&task, &teardown()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{fate:?}: {outcome}");
        assert_eq!(outcome.leftovers().count(), 1, "{fate:?}: {outcome}");
    }
}

mod property {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::*;
    use spawner_core::fake::FakeSpawner;
    use spawner_core::{CleanupOutcome, Exit};

    use super::*;

    fn any_member() -> impl Strategy<Value = Heeds> {
        prop_oneof![
            3 => Just(Heeds::Ask),
            3 => Just(Heeds::Force),
            1 => Just(Heeds::Nothing),
            2 => (0..12_000u64).prop_map(|after| Heeds::Time(ms(after))),
        ]
    }

    fn any_script() -> impl Strategy<Value = Script> {
        let fault = (prop::sample::select(STEPS_OF_DESTROY.to_vec()), prop::sample::select(FAULTS.to_vec()));
        let strength = prop::sample::select(vec![Strength::Blind, Strength::MayMiss, Strength::CannotMiss]);
        (
            prop::collection::vec(any_member(), 1..6),
            prop::option::of(Just(Exit::Exited { code: 3 })),
            strength,
            prop::collection::vec(fault, 0..3),
            0..30u64,
        )
            .prop_map(|(members, exit, strength, faults, latency)| Script {
                members,
                exit,
                strength,
                faults: faults.into_iter().collect::<HashMap<_, _>>(),
                latency: ms(latency),
                ..Script::default()
            })
    }

    fn any_teardown() -> impl Strategy<Value = Teardown> {
        let time = || prop::sample::select(vec![0u64, 1, 50, 200, 4000]).prop_map(ms);
        (time(), time(), time()).prop_map(|(linger, grace, deadline)| {
            Teardown::default().linger(linger).grace(grace).deadline(deadline)
        })
    }

    fn destroy_twice(script: &Script, teardown: &Teardown) -> Vec<(CleanupOutcome, Vec<String>, Duration)> {
        quiet_scripted_panics();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let spawner = FakeSpawner::new(script.clone());
            let task = spawner.spawn_task(&TaskSpec::new(["x"])).await.expect("it starts");
            let mut seen = Vec::new();
            for _ in 0..2 {
                let began = Instant::now();
                let outcome = spawner.destroy_task(&task, teardown).await;
                seen.push((outcome, spawner.alive_of(&task), began.elapsed()));
            }
            seen
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn an_outcome_is_true_and_in_time_for_any_script(script in any_script(), teardown in any_teardown()) {
            for (outcome, alive, took) in destroy_twice(&script, &teardown) {
                prop_assert!(took <= bound(&teardown), "took {:?}", took);
                if outcome.is_clean() {
                    prop_assert!(alive.is_empty(), "falsely clean");
                    prop_assert_eq!(script.strength, Strength::CannotMiss);
                }
                let mut named = Vec::new();
                for leftover in outcome.leftovers() {
                    let resource = leftover.resource();
                    prop_assert!(resource.reason.is_some());
                    if resource.kind == ResourceKind::Process {
                        named.push(resource.id.clone());
                    }
                }
                // No gone one is named, and no living one is kept back.
                prop_assert_eq!(named, alive, "{}", outcome);
                if outcome.verdict() == Verdict::Leaked {
                    prop_assert!(outcome.leftovers().any(|it| it.resource().fate == Fate::Survived));
                }
                prop_assert!(outcome.resources_total() >= outcome.resources().len());
            }
        }
    }
}
