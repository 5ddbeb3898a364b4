use super::*;

fn parse(text: &str) -> Result<Backends> {
    Backends::parse(text, Path::new("c.toml"))
}

#[test]
fn backends_are_read_with_their_settings() {
    let text = "default = \"b\"\n[backend.a]\nkind = \"process\"\n[backend.b]\nkind = \"process\"\nmechanism = \"subreaper\"\n";
    let backends = parse(text).unwrap();
    assert_eq!(backends.default_name(), "b");
    let (name, settings) = backends.find(None).unwrap();
    assert_eq!((name, settings.mechanism()), ("b", Some("subreaper")));
    assert_eq!(backends.find(Some("a")).unwrap().1.mechanism(), None);
}

#[test]
fn an_only_backend_is_the_default_and_an_empty_file_changes_nothing() {
    assert_eq!(parse("[backend.x]\nkind = \"process\"").unwrap().default_name(), "x");
    let empty = parse("# nothing\n").unwrap();
    assert_eq!(empty.named, Backends::builtin().named);
}

#[test]
fn a_mistake_is_told_with_file_line_name_and_what_would_be_right() {
    for (text, wanted) in [
        ("defualt = \"x\"", "c.toml:1: unknown key `defualt` (did you mean `default`?)"),
        ("\n[backends.x]\n", "c.toml:2: unknown key `backends` (did you mean `backend`?)"),
        ("zebra = 1", "c.toml:1: unknown key `zebra` (there are `default`, `backend`)"),
        (
            "[backend.x]\nkind = \"proces\"",
            "c.toml:2: unknown kind of backend `proces` (did you mean `process`?)",
        ),
        (
            "[backend.x]\nkind = \"vm\"",
            // Then the kinds that were built in.
            "c.toml:2: unknown kind of backend `vm` (there ",
        ),
        (
            "[backend.x]\nmechanism = \"auto\"\nknid = \"process\"",
            "c.toml:3: unknown key `knid` (did you mean `kind`?)",
        ),
        ("\n[backend.x]\n", "c.toml:2: the backend `x` has no `kind` (add `kind = \"process\"`"),
        #[cfg(all(unix, feature = "podman", feature = "remote"))]
        ("\n[backend.x]\n", "(add `kind = \"process\"` or `kind = \"podman\"` or `kind = \"remote\"`)"),
        (
            "[backend.x]\nkind = \"process\"\n\nmechansim = \"auto\"",
            "c.toml:4: unknown key `mechansim` (did you mean `mechanism`?)",
        ),
        (
            "[backend.x]\nkind = \"process\"\nmechanism = \"cgroup\"",
            "c.toml:3: unknown value `cgroup` (did you mean `cgroup-v2`?)",
        ),
        (
            "default = \"y\"\n[backend.x]\nkind = \"process\"",
            "c.toml:1: unknown backend `y` (there is only `x`)",
        ),
        ("[backend]\nx = 3", "c.toml:2: `backend.x` must be a table"),
        ("a = ", "c.toml:1: "),
        ("[backend.x]\nkind = \"process\"\nsupervisor = 3", "c.toml:3: invalid type: integer `3`, expected"),
    ] {
        let told = parse(text).unwrap_err().to_string();
        assert!(told.contains(wanted), "{text:?}\nsays   {told}\nwanted {wanted}");
        assert!(told.starts_with("cannot use the configuration c.toml"), "{told}");
    }
}
