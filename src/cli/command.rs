//! A command, shown to people.

/// A command in one line, so that one sees where each argument begins and ends.
pub(crate) fn shown(argv: &[impl AsRef<str>]) -> String {
    let arguments: Vec<_> = argv.iter().map(|argument| quoted(argument.as_ref())).collect();
    arguments.join(" ")
}

fn quoted(argument: &str) -> String {
    if argument.chars().any(char::is_control) {
        return format!("$'{}'", argument.escape_debug());
    }
    spawner::shell::typed(argument)
}
