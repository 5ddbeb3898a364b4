//! What the program says about this host and about itself.

use serde_json::Value;

use super::program::{command, finish, spawner};
use super::scene::Scene;

fn json(arguments: &[&str]) -> Value {
    let ran = spawner(arguments);
    assert_eq!(ran.status, 0, "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn doctor_says_what_a_windows_host_offers_and_what_it_means() {
    let document = json(&["doctor", "--format", "json"]);
    let findings = document["findings"].as_array().unwrap();
    for name in ["system", "console", "long paths", "state folder", "nested jobs", "own job", "job-object"] {
        let found = findings.iter().find(|finding| finding["name"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} in {document:#}"));
        assert!(!found["detail"].as_str().unwrap().is_empty());
        assert_eq!(found["status"] == "ok", found["remedy"].is_null(), "{found}");
    }
    let nested = findings.iter().find(|finding| finding["name"] == "nested jobs").unwrap();
    assert_eq!(nested["status"], "ok", "{nested}");
    assert!(
        findings.iter().all(|finding| finding["name"] != "subreaper"),
        "what is Linux's is not missing here"
    );
    assert_eq!(document["backend"]["answered"], "job-object");
}

#[test]
fn the_job_object_is_probed_and_proves_clean() {
    let document = json(&["capabilities", "--probe", "--format", "json"]);
    let answers = document["backends"][0]["capabilities"].as_array().unwrap();
    let level = |name: &str| {
        let answer = answers.iter().find(|answer| answer["name"] == name).unwrap();
        answer["support"]["level"].as_str().unwrap_or_else(|| panic!("{answer:#}")).to_owned()
    };
    assert_eq!(level("prove-clean"), "guaranteed");
    assert_eq!(level("end-with-harness"), "guaranteed");
    assert_eq!(level("terminal"), "unsupported");
}

#[test]
fn the_configuration_is_that_of_the_account() {
    let scene = Scene::new();
    let file = scene.folder().join("spawner").join("config.toml");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "[backend.here]\nkind = \"process\"\nmechanism = \"job-object\"\n").unwrap();
    let ran = finish(command().args(["doctor", "--format", "json"]).env("APPDATA", scene.folder()));
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["backend"]["name"], "here");
    assert_eq!(document["backend"]["configuration"], file.to_str().unwrap());
    let ran = finish(command().args(["run", "--help"]));
    assert!(ran.stdout.contains(r"%APPDATA%\spawner\config.toml"), "{}", ran.stdout);
    assert!(ran.stdout.contains("Ctrl-Break"), "{}", ran.stdout);
}
