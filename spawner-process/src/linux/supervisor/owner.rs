//! Whose an orphan is, where several keepers died at once.

use spawner_core::TaskId;

/// The index of the keeper whose control group a process is in, if it is in one.
///
/// `parent` is the last part of the name of the harness's group; its keepers' groups stand right below it.
pub(super) fn keeper_by_group(pid: i32, parent: &str) -> Option<u64> {
    index_in(&std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?, parent)
}

fn index_in(text: &str, parent: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').nth(2)?.split('/').skip_while(|&part| part != parent);
        parts.nth(1)?.strip_prefix("task-")?.split('-').next()?.parse().ok()
    })
}

/// The task that a process says it is of. Its environment is as it was when its program was executed; who
/// changed it since may hide or lie.
pub(super) fn task_by_mark(pid: i32) -> Option<TaskId> {
    mark_in(&std::fs::read(format!("/proc/{pid}/environ")).ok()?)
}

fn mark_in(environment: &[u8]) -> Option<TaskId> {
    let value = environment.split(|&byte| byte == 0).find_map(|one| {
        let (name, value) = one.split_at_checked(crate::unix::MARK.len())?;
        (name == crate::unix::MARK.as_bytes()).then(|| value.strip_prefix(b"="))?
    })?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_tells_the_keeper_only_below_the_harness_s_own_group() {
        let text = "9:memory:/spawner-7-3-0-0\n0::/a/spawner-1-2/task-12-34-56-7/made/by/the-task\n";
        assert_eq!(index_in(text, "spawner-1-2"), Some(12));
        assert_eq!(index_in(text, "spawner-1-3"), None);
        assert_eq!(index_in("0::/spawner-1-2/task-5-0\n", "spawner-1-2"), Some(5));
        assert_eq!(index_in("0::/spawner-1-2\n", "spawner-1-2"), None);
    }

    #[test]
    fn a_mark_is_a_whole_variable() {
        let mark = |text: &str| mark_in(text.as_bytes()).map(|id| id.to_string());
        assert_eq!(mark("A=1\0SPAWNER_TASK_ID=deadbeefdeadbeef\0").as_deref(), Some("deadbeefdeadbeef"));
        assert_eq!(mark("XSPAWNER_TASK_ID=deadbeefdeadbeef\0SPAWNER_TASK_IDS=deadbeefdeadbeef\0"), None);
        assert_eq!(mark(""), None);
    }
}
