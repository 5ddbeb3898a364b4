//! The list of cases itself.

use std::collections::HashSet;

use spawner_conformance::{CaseResult, Options, Results, Status, all, proofs_of};
use spawner_core::Capability;

#[test]
fn every_capability_has_a_case_that_proves_it() {
    for &capability in Capability::ALL {
        assert!(
            !proofs_of(capability).is_empty(),
            "no case proves {capability}: add one in spawner-conformance/src/cases"
        );
    }
}

#[test]
fn every_case_proves_something_and_has_a_name_of_its_own() {
    let mut names = HashSet::new();
    for case in all() {
        assert!(!case.proves.is_empty(), "{} proves nothing", case.name);
        assert!(names.insert(case.name), "two cases are called {}", case.name);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(case.name.bytes().all(plain), "{} is not in kebab case", case.name);
    }
}

#[test]
fn cases_are_selected_by_parts_of_their_names() {
    let select = |part: &str| Options { only: vec![part.into()], ..Options::default() }.select().count();
    assert_eq!(Options::default().select().count(), all().count());
    assert_eq!(select("a-fork-storm-is-ended"), 1);
    assert_eq!(select("no-such-case"), 0);
}

#[test]
fn results_survive_json_and_are_told_apart() {
    let case = |name: &str, status| CaseResult {
        name: name.into(),
        proves: vec!["usage".into()],
        round: 1,
        status,
        elapsed_ms: 3,
    };
    let mut results = Results {
        schema: Results::SCHEMA.into(),
        backend: "local".into(),
        root: false,
        notes: vec!["a note".into()],
        cases: vec![
            case("a", Status::Passed),
            case("b", Status::Failed { why: "false clean".into() }),
            case("c", Status::Skipped { why: "needs root".into() }),
        ],
    };
    let json = serde_json::to_value(&results).unwrap();
    assert_eq!(json["schema"], "spawner.conformance/1");
    assert_eq!(json["cases"][1]["status"], "failed");
    assert_eq!(json["cases"][1]["why"], "false clean");
    assert_eq!(serde_json::from_value::<Results>(json).unwrap(), results);
    assert!(!results.is_success());
    results.cases.remove(1);
    assert!(results.is_success());
    results.cases.remove(0);
    assert!(!results.is_success(), "nothing passed, so nothing was proved");
}
