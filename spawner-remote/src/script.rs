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
    fn the_texts_leave_room_for_the_task_in_one_word_of_a_command_line() {
        // MAX_ARG_STRLEN of Linux is 128 KiB (execve(2)).
        assert!(GUARDIAN.len() < 16 << 10 && AGENT.len() < 16 << 10, "{} {}", GUARDIAN.len(), AGENT.len());
    }

    #[test]
    fn nothing_is_lost_but_comments() {
        assert_eq!(strip("# a\n\n  b # c\n    d\n"), "b # c\nd\n");
    }
}
