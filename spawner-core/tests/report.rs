//! What people and programs are told: the accountability message, and the document of the report.

mod common;

use common::{ended_leaving, ms, script, start, teardown};
use serde_json::{Value, json};
use spawner_core::fake::{FakeSpawner, Fault, Heeds, Script, Step};
use spawner_core::run::{Finished, finish, run};
use spawner_core::{Evidence, Exit, Report, Spawner as _, Strength, TaskRecord, TaskSpec, Teardown, Verdict};

async fn finished(script: Script) -> Finished {
    let spawner = FakeSpawner::new(script);
    let spec = TaskSpec::new(["make", "check"]).teardown(teardown());
    run(&spawner, &spec).await.expect("it starts")
}

/// A report as the document that is written, with what differs from run to run made equal.
async fn document(script: Script) -> Value {
    let report = Report::new(&finished(script).await);
    let mut document = serde_json::to_value(&report).expect("it can be written");
    assert_eq!(serde_json::from_value::<Report>(document.clone()).expect("it can be read"), report);
    valid(&document);
    document["task"]["id"] = "…".into();
    document
}

/// Checks a document against the schema that we export.
fn valid(document: &Value) {
    let schema = serde_json::to_value(Report::json_schema()).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let faults: Vec<_> = validator.iter_errors(document).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?} in {document}");
}

#[tokio::test(start_paused = true)]
async fn the_report_has_the_documented_fields_and_no_others() {
    let document = document(ended_leaving(&[Heeds::Force])).await;
    let expected = json!({
        "schema": "spawner.report/1",
        "task": {"id": "…", "backend": "fake", "argv": ["make", "check"]},
        "exit": {"kind": "exited", "code": 0, "signal": null},
        "cleanup": {
            "verdict": "clean",
            "mechanisms": ["fake"],
            "escalated": true,
            "elapsed_ms": 3200.0,
            "left_behind": [{"kind": "process", "id": "2", "started": null, "name": "fake"}],
            "left_behind_total": 1,
            "resources": [
                {"kind": "process", "id": "1", "started": null, "name": "fake", "fate": "exited",
                 "reason": null, "remedy": null},
                {"kind": "process", "id": "2", "started": null, "name": "fake", "fate": "killed",
                 "reason": null, "remedy": null},
            ],
            "resources_total": 2,
        },
    });
    let mut shown = document.clone();
    let elapsed = shown["cleanup"]["elapsed_ms"].as_f64().expect("a number");
    assert!((3200.0..3210.0).contains(&elapsed), "{elapsed}");
    shown["cleanup"]["elapsed_ms"] = 3200.0.into();
    assert_eq!(shown, expected);
}

#[tokio::test(start_paused = true)]
async fn every_way_to_end_has_its_kind_and_a_leak_its_reason_and_remedy() {
    let ends = [
        (Exit::Exited { code: 7 }, json!({"kind": "exited", "code": 7, "signal": null})),
        (Exit::Signalled { signal: 6, core: true }, json!({"kind": "signalled", "code": null, "signal": 6})),
        (Exit::OutOfMemory, json!({"kind": "oom", "code": null, "signal": null})),
        (Exit::TimedOut, json!({"kind": "timed-out", "code": null, "signal": null})),
        (Exit::Lost { why: "x".into() }, json!({"kind": "lost", "code": null, "signal": null})),
    ];
    for (exit, expected) in ends {
        let script = Script { exit: Some(exit), ..ended_leaving(&[Heeds::Nothing]) };
        let document = document(script).await;
        assert_eq!(document["exit"], expected);
        assert_eq!(document["cleanup"]["verdict"], "leaked");
        let leftover = &document["cleanup"]["resources"][0];
        assert_eq!(leftover["fate"], "survived", "leftovers come first");
        assert_eq!(leftover["remedy"], "kill -KILL 2");
        assert!(leftover["reason"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn an_unverified_outcome_is_reported_as_that() {
    let document = document(Script { strength: Strength::MayMiss, ..ended_leaving(&[]) }).await;
    assert_eq!(document["cleanup"]["verdict"], "unverified");
}

#[test]
fn the_exported_schema_refuses_what_is_no_report() {
    let schema = serde_json::to_value(Report::json_schema()).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    assert!(!validator.is_valid(&json!({"schema": "spawner.report/1"})));
    assert!(!validator.is_valid(&json!([])));
}

#[tokio::test(start_paused = true)]
async fn long_lists_are_cut_but_never_the_leftovers() {
    let many = Evidence::LISTED + 50;
    for (heeds, gone) in [(Heeds::Ask, true), (Heeds::Nothing, false)] {
        let members = vec![heeds; many];
        let outcome = finished(ended_leaving(&members)).await;
        let report = Report::new(&outcome);
        let cleanup = &report.cleanup;
        valid(&serde_json::to_value(&report).expect("it can be written"));
        assert_eq!(cleanup.left_behind.len(), Evidence::LISTED);
        assert_eq!(cleanup.left_behind_total, many);
        assert_eq!(cleanup.resources_total, many + 1);
        // With the leftovers, the main process is one more that is not.
        assert_eq!(cleanup.resources.len(), if gone { Evidence::LISTED } else { many + 1 });
        let told = outcome.cleanup.to_string();
        assert_eq!(told.lines().count(), if gone { 1 } else { many }, "one line for each leftover");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_the_exit_of_the_task_that_it_ended() {
    let spawner = FakeSpawner::new(script(&[Heeds::Ask]));
    let spec = TaskSpec::new(["x"]).timeout(ms(100));
    let finished = run(&spawner, &spec).await.expect("it starts");
    assert_eq!(finished.exit, Exit::TimedOut);
    assert!(finished.cleanup.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_task_ends_by_what_ended_it_and_one_that_will_not_end_is_lost() {
    for (heeds, exit) in [
        (Heeds::Ask, Exit::Signalled { signal: 15, core: false }),
        (Heeds::Force, Exit::Signalled { signal: 9, core: false }),
        (Heeds::Nothing, Exit::Lost { why: "it is still running".into() }),
    ] {
        let (spawner, task) = start(script(&[heeds])).await;
        let finished = finish(&spawner, task, &TaskSpec::new(["x"]), async {}).await;
        assert_eq!(finished.exit, exit);
    }
}

mod message {
    use super::*;
    use spawner_core::{Fate, Mechanism, Resource, ResourceKind};

    /// What is said of one leftover, through a backend that finds it.
    async fn said(resource: Resource) -> String {
        let spawner = common::Finding::new("podman", resource);
        let task = spawner.spawn_task(&TaskSpec::new(["x"])).await.expect("it starts");
        spawner.destroy_task(&task, &Teardown::at_once()).await.to_string()
    }

    fn container() -> Resource {
        Resource {
            kind: ResourceKind::Container,
            id: "deadbeefdeadbeef".into(),
            started: None,
            name: None,
            fate: Fate::Survived,
            reason: Some("podman reported: <error>".into()),
            remedy: Some("podman rm -f deadbeefdeadbeef".into()),
        }
    }

    #[tokio::test]
    async fn a_leftover_is_told_in_the_manner_of_the_rfc() {
        assert_eq!(
            said(container()).await,
            "podman: failed to destroy container deadbeefdeadbeef: podman reported: <error>. \
             To remove it by hand: podman rm -f deadbeefdeadbeef"
        );
    }

    #[tokio::test]
    async fn what_was_not_seen_alive_is_not_said_to_have_survived() {
        let unseen = Resource { fate: Fate::Unverified, ..container() };
        assert_eq!(
            said(unseen).await,
            "podman: cannot prove the end of container deadbeefdeadbeef: podman reported: <error>. \
             To remove it by hand: podman rm -f deadbeefdeadbeef"
        );
    }

    #[tokio::test]
    async fn a_message_is_one_line_whatever_names_and_reasons_others_chose() {
        let hostile = Resource {
            kind: ResourceKind::Process,
            id: "42".into(),
            name: Some("a) 'b\n\u{1b}[2J".into()),
            reason: Some("first\nsecond.\n".into()),
            remedy: Some("kill -KILL 42".into()),
            ..container()
        };
        assert_eq!(
            said(hostile).await,
            "podman: failed to destroy process 42 (a) 'b\\n\\u{1b}[2J): first\\nsecond. \
             To remove it by hand: kill -KILL 42"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_left_the_message_says_what_that_rests_on() {
        let clean = finished(ended_leaving(&[])).await.cleanup;
        assert_eq!(clean.to_string(), "fake: clean, proved by fake");
        let weak = finished(Script { strength: Strength::MayMiss, ..ended_leaving(&[]) }).await.cleanup;
        assert_eq!(
            weak.to_string(),
            "fake: nothing was seen to remain, but fake can miss members, so this is no proof"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_of_which_nothing_is_known_is_named_itself() {
        let (spawner, task) = start(ended_leaving(&[])).await;
        let other = FakeSpawner::new(Script::default());
        let outcome = other.destroy_task(&task, &teardown()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified);
        let id = task.id();
        assert_eq!(
            outcome.to_string(),
            format!(
                "fake: cannot prove the end of task {id}: cannot find the task {id}. \
                 To remove it by hand: spawner destroy {id}"
            )
        );
        let local = TaskRecord { mechanisms: vec![Mechanism::Subreaper], ..task.record().clone() };
        let outcome = other.destroy_task(&spawner_core::Task::new(local), &teardown()).await;
        let said = outcome.to_string();
        let (_, remedy) = said.split_once(" To remove it by hand: ").unwrap();
        assert!(remedy.contains(&id.to_string()), "each system has a command of its own: {remedy}");
        if cfg!(target_os = "linux") {
            let by_mark = format!("grep -lsz ^SPAWNER_TASK_ID={id} /proc/[0-9]*/environ | cut -d/ -f3");
            assert_eq!(remedy, format!("kill -KILL $({by_mark})"));
        }
        drop(spawner);
    }

    #[tokio::test(start_paused = true)]
    async fn the_reason_of_an_unverified_end_is_told_and_not_another() {
        let script = common::with_fault(ended_leaving(&[]), Step::Look, Fault::Fail);
        let told = finished(script).await.cleanup.to_string();
        assert!(told.contains("cannot take the step Look"), "{told}");
        assert!(!told.contains("can miss members"), "{told}");
    }
}
