use std::collections::HashMap;

use spawner::fake::{FakeSpawner, Fault, Heeds, Script, Step};
use spawner::{Exit, Fate, Verdict};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::cli::run::message;
use crate::cli::status;

impl Stop for UnboundedReceiver<()> {
    async fn wished(&mut self) {
        if self.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

fn spec() -> TaskSpec {
    TaskSpec::new(["fake"])
}

/// Runs a task of this script, with that many wishes to stop at its start.
async fn run(script: Script, spec: &TaskSpec, wishes: usize) -> Result<Finished> {
    let (sender, mut stop): (UnboundedSender<()>, _) = unbounded_channel();
    for _ in 0..wishes {
        sender.send(()).unwrap();
    }
    live(&FakeSpawner::new(script), spec, &mut stop, None).await
}

fn ended(code: i32, members: Vec<Heeds>) -> Script {
    Script { exit: Some(Exit::Exited { code }), members, ..Script::default() }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_cleanly_is_nothing_to_speak_of() {
    let finished = run(ended(7, vec![Heeds::Ask]), &spec(), 0).await.unwrap();
    assert_eq!(status::of_exit(&finished.exit), 7);
    assert!(!status::is_leak(&finished.cleanup));
    assert_eq!(message::about(&finished, &spec()), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_was_left_behind_is_counted_and_named_in_one_line() {
    let finished = run(ended(0, vec![Heeds::Ask, Heeds::Ask, Heeds::Force]), &spec(), 0).await.unwrap();
    assert!(finished.cleanup.is_clean() && status::is_leak(&finished.cleanup));
    let said = message::about(&finished, &spec());
    assert_eq!(said, ["2 processes were left behind and have been destroyed: fake (2), fake (3)"]);
}

#[tokio::test(start_paused = true)]
async fn a_survivor_is_named_with_its_reason_and_remedy() {
    let finished = run(ended(0, vec![Heeds::Ask, Heeds::Nothing]), &spec(), 0).await.unwrap();
    assert_eq!(finished.cleanup.verdict(), Verdict::Leaked);
    let said = message::about(&finished, &spec());
    assert_eq!(said[0], "1 process was left behind: fake (2)");
    let line = "fake: failed to destroy process 2 (fake): the script says that it heeds nothing. \
                To remove it by hand: kill -KILL 2";
    assert_eq!(said[1..], [line]);
}

#[tokio::test(start_paused = true)]
async fn a_long_list_is_cut_with_its_full_count() {
    let finished = run(ended(0, vec![Heeds::Ask; 31]), &spec(), 0).await.unwrap();
    let said = message::about(&finished, &spec());
    assert!(said[0].starts_with("30 processes were left behind"), "{said:?}");
    assert!(said[0].ends_with("fake (11), and 20 more"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn no_proof_is_said_even_where_nothing_was_seen() {
    let script = Script { strength: spawner::Strength::MayMiss, ..ended(0, vec![Heeds::Ask]) };
    let finished = run(script, &spec(), 0).await.unwrap();
    assert!(status::is_leak(&finished.cleanup));
    assert!(message::about(&finished, &spec())[0].contains("this is no proof"));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_asks_first_and_is_told() {
    let spec = spec().timeout(Duration::from_secs(90));
    let finished = run(Script::default(), &spec, 0).await.unwrap();
    assert_eq!(status::of_exit(&finished.exit), status::TIMED_OUT);
    assert!(!finished.cleanup.escalated());
    assert_eq!(message::about(&finished, &spec), ["the task was ended, since it ran longer than 90s"]);
}

#[tokio::test(start_paused = true)]
async fn one_wish_to_stop_asks_and_gives_the_grace() {
    let began = tokio::time::Instant::now();
    let script = Script { members: vec![Heeds::Force], ..Script::default() };
    let finished = run(script, &spec(), 1).await.unwrap();
    assert_eq!(began.elapsed(), spec().teardown.grace);
    assert_eq!(status::of_exit(&finished.exit), 137);
}

#[tokio::test(start_paused = true)]
async fn a_second_wish_to_stop_skips_the_grace() {
    let began = tokio::time::Instant::now();
    let script = Script { members: vec![Heeds::Force], ..Script::default() };
    let finished = run(script, &spec(), 2).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(finished.cleanup.resources()[0].fate, Fate::Killed);
    assert!(finished.cleanup.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_given_up_after_the_grace_or_at_the_second_wish() {
    let began = tokio::time::Instant::now();
    let script = Script { faults: HashMap::from([(Step::Start, Fault::Hang)]), ..Script::default() };
    let error = run(script.clone(), &spec(), 2).await.unwrap_err();
    assert!(error.to_string().contains("interrupted") && began.elapsed().is_zero(), "{error}");
    let error = run(script, &spec(), 1).await.unwrap_err();
    assert_eq!(began.elapsed(), spec().teardown.grace);
    assert!(error.to_string().contains("interrupted"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_the_programs_own_failure() {
    let script = Script { faults: HashMap::from([(Step::Started, Fault::Fail)]), ..Script::default() };
    let error = run(script, &spec(), 0).await.unwrap_err();
    assert_eq!(status::of_error(&error), status::FAILED);
    assert!(error.cleanup().is_some_and(CleanupOutcome::is_clean));
}
