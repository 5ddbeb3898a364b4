//! What the program says, on standard error.

use std::io::Write as _;

/// Says it, every line with our name before it.
pub(crate) fn say(text: &str) {
    let mut all = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        all.push_str("spawner: ");
        all.push_str(line);
        all.push('\n');
    }
    raw(&all);
}

/// Says it as it is; colours go where they are shown.
pub(crate) fn raw(text: &str) {
    let mut stderr = anstream::AutoStream::auto(std::io::stderr().lock());
    if stderr.write_all(text.as_bytes()).is_err() {
        // Nobody listens, and there is nobody else to tell.
    }
}
