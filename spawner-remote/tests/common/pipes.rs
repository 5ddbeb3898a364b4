//! The pipes of what is started on a far end.

use std::io::{BufRead, Read};
use std::process::{Child, Command, Stdio};

use spawner_remote::said::MARK;

pub(super) fn piped(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(super) fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).unwrap();
    all
}

/// Passes over what the account's own shell has to say.
pub(super) fn skip_to_mark(from: &mut impl BufRead, name: &str) {
    let mark = format!("{MARK}{name}\n").into_bytes();
    let mut noise = Vec::new();
    while !noise.ends_with(&mark) {
        let before = noise.len();
        from.read_until(b'\n', &mut noise).unwrap();
        assert!(noise.len() > before, "no mark; instead: {}", String::from_utf8_lossy(&noise));
    }
}
