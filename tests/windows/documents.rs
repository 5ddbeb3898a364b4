//! Every document is as its schema says.

use serde_json::Value;

use super::program::spawner;

#[test]
fn documents_match_their_schemas() {
    for (document, arguments) in [
        ("doctor", &["doctor", "--format", "json"][..]),
        ("capabilities", &["capabilities", "--format", "json"]),
        ("ps", &["ps", "--format", "json"]),
        ("sweep", &["sweep", "--format", "json"]),
    ] {
        let schema = spawner(["schema", document]);
        assert_eq!(schema.status, 0, "{schema:?}");
        let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
        let ran = spawner(arguments);
        let written: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
        jsonschema::validate(&schema, &written).unwrap_or_else(|error| panic!("{document}: {error}"));
    }
}

#[test]
fn there_are_completions_for_powershell() {
    let ran = spawner(["completions", "powershell"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.contains("Register-ArgumentCompleter"));
}
