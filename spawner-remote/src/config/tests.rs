use super::*;

#[test]
fn destinations_are_names_or_tables_and_have_what_else_is_configured() {
    let read = |text: &str| serde_json::from_str::<RemoteConfig>(text);
    let config = read(
        r#"{ "port": 22, "slots": 3, "destinations": ["a", { "destination": "me@b", "slots": 9, "port": 23 }] }"#,
    );
    let each = config.unwrap().each().unwrap();
    let told: Vec<_> = each
        .iter()
        .map(|(at, slots)| (at.destination.as_str(), at.port.unwrap(), slots.unwrap().get()))
        .collect();
    assert_eq!(told, [("a", 22, 3), ("me@b", 23, 9)]);
    let plain = RemoteConfig::at_any(["a", "b"]);
    assert_eq!(read(&serde_json::to_string(&plain).unwrap()).unwrap(), plain);
    for (wrong, why) in [
        (r#"{ "destinations": [{ "destinatoin": "a" }] }"#, "unknown field `destinatoin`"),
        (r#"{ "destinations": [3] }"#, "expected `\"user@host\"`, or `{ destination ="),
        (r#"{ "destinations": [{ "destination": "a", "slots": 0 }] }"#, "nonzero"),
    ] {
        let told = read(wrong).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
    for (wrong, why) in [
        (RemoteConfig { destination: "c".into(), ..plain.clone() }, "write it among them"),
        (RemoteConfig::at_any(["a", "a"]), "named twice"),
        (RemoteConfig::at_any([""]), "names no host"),
    ] {
        let told = wrong.each().unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
}
