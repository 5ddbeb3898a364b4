//! The texts that run on the far end, in POSIX sh: see the folder `far`.

use std::sync::LazyLock;

const COMMON: &str = include_str!("far/common.sh");

/// What serves one connection.
pub(crate) static AGENT: LazyLock<String> = LazyLock::new(|| {
    [COMMON, include_str!("far/probe.sh"), include_str!("far/agent.sh")].map(strip).concat()
});

/// What holds one task.
pub(crate) static GUARDIAN: LazyLock<String> = LazyLock::new(|| {
    let helpers = include_str!("far/helpers.sh");
    let members = include_str!("far/members.sh");
    let start = include_str!("far/start.sh");
    [COMMON, helpers, members, start, include_str!("far/guardian.sh")].map(strip).concat()
});

/// Without indentation, comments and empty lines: it goes over the wire for each task.
fn strip(text: &str) -> String {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.fold(String::with_capacity(text.len()), |mut all, line| {
        all.push_str(line);
        all.push('\n');
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_take_a_quarter_of_what_one_word_of_a_command_line_may_have() {
        // MAX_ARG_STRLEN of Linux is 128 KiB (execve(2)). What the task is comes by standard input.
        for text in [&*GUARDIAN, &*AGENT] {
            let word = crate::quote::any_shell(text.as_bytes());
            assert!(word.len() < 32 << 10, "{} of {}", word.len(), text.len());
        }
    }

    #[test]
    fn nothing_is_lost_but_comments() {
        assert_eq!(strip("# a\n\n  b # c\n    d\n"), "b # c\nd\n");
    }
}
