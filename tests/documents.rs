//! What is generated is not stale, and what is printed is what the schemas say.
#![cfg(unix)]

mod common;

use common::spawner;
use serde_json::Value;

#[test]
fn capabilities_md_is_what_the_backends_declare() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/capabilities.md"));
    let generated = spawner(["capabilities", "--format", "markdown"]).stdout;
    assert!(
        page.is_ok_and(|page| page == generated),
        "capabilities.md is stale; renew it with\n\n    \
         cargo run -- capabilities --format markdown > capabilities.md\n",
    );
}

#[test]
fn every_backend_answers_for_every_capability() {
    let ran = spawner(["capabilities", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["schema"], "spawner.capabilities/1");
    let all: Vec<_> = spawner::Capability::ALL.iter().map(|capability| capability.name()).collect();
    for backend in document["backends"].as_array().unwrap() {
        let answers = backend["capabilities"].as_array().unwrap();
        let names: Vec<_> = answers.iter().map(|answer| answer["name"].as_str().unwrap()).collect();
        assert_eq!(names, all);
        assert!(backend["story"].as_str().unwrap().len() > 100);
    }
}

#[test]
fn a_probe_asks_this_hosts_backend() {
    let ran = spawner(["capabilities", "--probe", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let backends = document["backends"].as_array().unwrap();
    assert_eq!((ran.status, backends.len()), (0, 1));
    assert_eq!(backends[0]["probed"], true);
}

#[test]
fn every_schema_is_printed() {
    for document in ["report", "capabilities", "task", "doctor", "conformance", "ps", "sweep"] {
        let ran = spawner(["schema", document]);
        let schema: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(schema["type"], "object", "{document}");
        assert!(schema["properties"]["schema"].is_object(), "{document}");
    }
}

#[test]
fn the_doctor_says_what_there_is() {
    let ran = spawner(["doctor", "--format", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    for name in ["kernel", "user", "open files", "terminal", "state folder"] {
        assert!(findings.iter().any(|finding| finding["name"] == name), "{name}");
    }
    for finding in findings {
        let fine = finding["status"] == "ok";
        assert_eq!(fine, finding["remedy"].is_null(), "what is missing has a remedy: {finding}");
    }
    let text = spawner(["doctor"]).stdout;
    assert!(!text.contains('\x1b'), "colours go to terminals only: {text}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = spawner(["completions", shell]);
        assert!(
            ran.stdout.contains("conformance")
                && ran.stdout.contains("on-leak")
                && ran.stdout.contains("sweep"),
            "{shell}"
        );
    }
}
