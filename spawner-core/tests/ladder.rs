//! The order of the rungs, and the time that each gets.

mod common;

use common::{ended_leaving, ms, script, start, teardown};
use spawner_core::fake::{FakeSpawner, Heeds, Script, Step};
use spawner_core::{CleanupOutcome, Exit, Fate, Spawner as _, Strength, Task, TaskState, Teardown, Verdict};
use tokio::time::{Instant, sleep};

async fn destroy(script: Script, teardown: &Teardown) -> (FakeSpawner, Task, CleanupOutcome) {
    let (spawner, task) = start(script).await;
    let outcome = spawner.destroy_task(&task, teardown).await;
    (spawner, task, outcome)
}

fn fates(outcome: &CleanupOutcome) -> Vec<Fate> {
    outcome.resources().iter().map(|resource| resource.fate).collect()
}

#[tokio::test(start_paused = true)]
async fn a_running_task_is_asked_then_forced_then_looked_at_then_released() {
    let (spawner, task, outcome) = destroy(script(&[Heeds::Force]), &teardown()).await;
    let rungs = [
        Step::AwaitEmpty,
        Step::Ask,
        Step::AwaitEmpty,
        Step::Force,
        Step::AwaitEmpty,
        Step::Look,
        Step::Release,
    ];
    assert_eq!(spawner.calls(&task), rungs);
    assert!(outcome.is_clean() && outcome.escalated());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_heeds_the_asking_is_not_forced_and_costs_no_grace() {
    let (spawner, task, outcome) = destroy(script(&[Heeds::Ask, Heeds::Ask]), &teardown()).await;
    assert!(!spawner.calls(&task).contains(&Step::Force));
    assert!(outcome.is_clean() && !outcome.escalated());
    assert_eq!(fates(&outcome), [Fate::Terminated, Fate::Terminated]);
    assert_eq!(outcome.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn force_is_used_after_the_grace_and_not_before() {
    let (_, _, outcome) = destroy(script(&[Heeds::Ask, Heeds::Force]), &teardown()).await;
    assert_eq!(fates(&outcome), [Fate::Terminated, Fate::Killed]);
    assert!((ms(3000)..ms(3010)).contains(&outcome.elapsed()), "{:?}", outcome.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_by_itself_within_the_grace_is_not_forced() {
    let (_, _, outcome) = destroy(script(&[Heeds::Time(ms(2000))]), &teardown()).await;
    assert_eq!(fates(&outcome), [Fate::Exited]);
    assert!(!outcome.escalated());
}

#[tokio::test(start_paused = true)]
async fn a_grace_of_zero_skips_the_asking() {
    let (spawner, task, outcome) = destroy(script(&[Heeds::Ask]), &Teardown::at_once()).await;
    assert!(!spawner.calls(&task).contains(&Step::Ask));
    assert_eq!(fates(&outcome), [Fate::Killed]);
    assert!(outcome.is_clean() && outcome.escalated());
}

#[tokio::test(start_paused = true)]
async fn the_linger_costs_nothing_when_nothing_remains() {
    let (spawner, task, outcome) = destroy(ended_leaving(&[]), &teardown()).await;
    assert_eq!(outcome.elapsed(), ms(0));
    assert_eq!(spawner.calls(&task), [Step::AwaitEmpty, Step::Look, Step::Release]);
    assert_eq!(fates(&outcome), [Fate::Exited]);
}

#[tokio::test(start_paused = true)]
async fn what_ends_within_the_linger_is_neither_left_behind_nor_touched() {
    let (spawner, task, outcome) = destroy(ended_leaving(&[Heeds::Time(ms(150))]), &teardown()).await;
    assert_eq!(outcome.left_behind_total(), 0);
    assert_eq!(fates(&outcome), [Fate::Exited, Fate::Exited]);
    assert!(!spawner.calls(&task).contains(&Step::Ask));
    assert!((ms(150)..ms(160)).contains(&outcome.elapsed()), "{:?}", outcome.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_linger_counts_from_the_end_of_the_main_process() {
    for (waited, left) in [(0, 200), (150, 50), (500, 0)] {
        let (spawner, task) = start(ended_leaving(&[Heeds::Ask])).await;
        sleep(ms(waited)).await;
        let outcome = spawner.destroy_task(&task, &teardown()).await;
        assert_eq!(outcome.left_behind_total(), 1);
        assert!((ms(left)..ms(left + 10)).contains(&outcome.elapsed()), "{waited}: {:?}", outcome.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_outlasts_the_linger_is_noted_and_destroyed() {
    let (spawner, _, outcome) = destroy(ended_leaving(&[Heeds::Ask, Heeds::Force]), &teardown()).await;
    let ids: Vec<_> = outcome.left_behind().iter().map(|resource| resource.id.as_str()).collect();
    assert_eq!(ids, ["2", "3"]);
    assert_eq!(fates(&outcome), [Fate::Exited, Fate::Terminated, Fate::Killed]);
    assert!(outcome.is_clean());
    assert_eq!(spawner.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_behind_by_a_task_that_did_not_end_by_itself() {
    let (spawner, task) = start(script(&[Heeds::Ask, Heeds::Nothing])).await;
    for _ in 0..2 {
        let outcome = spawner.destroy_task(&task, &teardown()).await;
        assert_eq!(outcome.left_behind_total(), 0);
        assert_eq!(outcome.verdict(), Verdict::Leaked);
    }
}

#[tokio::test(start_paused = true)]
async fn what_heeds_nothing_is_leaked_with_identity_reason_and_remedy() {
    let (spawner, task, outcome) = destroy(script(&[Heeds::Ask, Heeds::Nothing]), &teardown()).await;
    assert_eq!(outcome.verdict(), Verdict::Leaked);
    let leftovers: Vec<_> = outcome.leftovers().collect();
    let [leftover] = leftovers.as_slice() else { panic!("{leftovers:?}") };
    assert_eq!(leftover.resource().id, "2");
    assert_eq!(leftover.resource().fate, Fate::Survived);
    assert!(leftover.resource().reason.is_some());
    assert_eq!(leftover.resource().remedy.as_deref(), Some("kill -KILL 2"));
    assert_eq!(spawner.alive_of(&task), ["2"]);
    assert!(!spawner.calls(&task).contains(&Step::Release), "nothing is given back while something runs");
}

#[tokio::test(start_paused = true)]
async fn a_mechanism_that_may_miss_is_never_clean() {
    for strength in [Strength::MayMiss, Strength::Blind] {
        let (_, _, outcome) = destroy(Script { strength, ..Script::default() }, &teardown()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_saw_nothing_for_certain_names_the_task_and_gives_nothing_back() {
    let script = Script { strength: Strength::Blind, ..Script::default() };
    let (spawner, task, outcome) = destroy(script, &teardown()).await;
    let leftover = outcome.leftovers().next().expect("somebody must be told");
    assert_eq!(leftover.resource().id, task.id().to_string());
    assert!(!spawner.calls(&task).contains(&Step::Release));
}

#[tokio::test(start_paused = true)]
async fn steps_that_take_a_turn_to_answer_do_not_make_a_clean_task_look_forced() {
    let script = Script { latency: ms(5), ..ended_leaving(&[]) };
    let (spawner, task, outcome) = destroy(script, &Teardown::at_once()).await;
    assert!(outcome.is_clean() && !outcome.escalated(), "{outcome}");
    assert!(!spawner.calls(&task).contains(&Step::Force));
    assert_eq!(outcome.left_behind_total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_clean_outcome_stays_clean_and_no_rung_is_called_again() {
    let (spawner, task, first) = destroy(ended_leaving(&[Heeds::Force]), &teardown()).await;
    let calls = spawner.calls(&task);
    sleep(ms(60_000)).await;
    let again = spawner.destroy_task(&task, &teardown()).await;
    assert_eq!(spawner.calls(&task), calls);
    assert!(again.is_clean());
    assert_eq!(again.elapsed(), first.elapsed());
    assert_eq!(again.left_behind(), first.left_behind());
    assert_eq!(again.resources(), first.resources());
    assert_eq!(
        spawner.task_state(&task).await.unwrap(),
        TaskState::Gone(Exit::Exited { code: 0 }),
        "the state says that it was destroyed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_leak_becomes_clean_when_it_is_gone_later() {
    let (spawner, task) = start(script(&[Heeds::Nothing])).await;
    let first = spawner.destroy_task(&task, &teardown()).await;
    assert_eq!(first.verdict(), Verdict::Leaked);
    spawner.reap_by_hand(&task);
    let again = spawner.destroy_task(&task, &teardown()).await;
    assert!(again.is_clean(), "{again}");
    assert!(again.escalated(), "it was forced, be it in vain");
}

#[tokio::test(start_paused = true)]
async fn two_calls_at_once_both_have_a_true_outcome_in_time() {
    for (script, verdict) in
        [(script(&[Heeds::Force]), Verdict::Clean), (script(&[Heeds::Nothing]), Verdict::Leaked)]
    {
        let (spawner, task) = start(Script { latency: ms(10), ..script }).await;
        let (teardown, began) = (teardown(), Instant::now());
        let (one, two) =
            tokio::join!(spawner.destroy_task(&task, &teardown), spawner.destroy_task(&task, &teardown));
        assert_eq!((one.verdict(), two.verdict()), (verdict, verdict));
        assert!(began.elapsed() <= common::bound(&teardown), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn times_without_end_are_no_panic() {
    let forever = std::time::Duration::MAX;
    let teardown = Teardown::default().linger(forever).grace(forever).deadline(forever);
    let (_, _, outcome) = destroy(ended_leaving(&[Heeds::Time(ms(9000))]), &teardown).await;
    assert!(outcome.is_clean(), "{outcome}");
    let (_, _, outcome) = destroy(script(&[Heeds::Ask]), &teardown).await;
    assert!(outcome.is_clean(), "{outcome}");
}
