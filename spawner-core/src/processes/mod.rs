//! The processes of this host as the system itself lists them, for backends that find a task's members by them. One file
//! for each system, all with the same functions:
//!
//! * `all()`: every process that the system shows to this user.
//! * `of(pid)`: the process with this pid now, a zombie too; `None` where there is none, or it is not shown.
//! * `environment(pid)`: what it was executed with, `NAME=value` with a zero after each. It is an error where the system
//!   does not tell, and may be empty where it keeps that to itself (macOS, of programs that it protects).
//!
//! A list is not taken in one instant: who forks while it is read may have a child that is not in it.

#[cfg(any(target_os = "macos", test))]
mod darwin;
#[cfg(any(target_os = "macos", target_os = "freebsd"))]
pub(crate) mod sysctl;

#[cfg(target_os = "freebsd")]
#[path = "freebsd.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod system;

#[cfg(target_os = "freebsd")]
pub(crate) use system::boot_time;
pub use system::{all, environment, of};

/// What the system says of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its pid.
    pub pid: u32,
    /// The pid of its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// The pid of its session's leader, be that one alive or not; 0 where the system does not tell.
    pub session: u32,
    /// When it started, as in [`ProcessIdentity::start_time`](crate::ProcessIdentity::start_time).
    pub start_time: u64,
    /// The command name.
    pub name: String,
    /// Whether nothing of it runs any more: a zombie.
    pub dead: bool,
    /// Whether it is stopped.
    pub stopped: bool,
}

/// Whether an environment has exactly this variable with this value.
pub fn has_variable(environment: &[u8], name: &str, value: &str) -> bool {
    environment.split(|&byte| byte == 0).any(|variable| {
        let after = variable.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        after == Some(value.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_all_of_its_name_and_all_of_its_value() {
        let environment = b"A=1\0XMARK=7\0MARK=77\0MARK=7\0";
        assert!(has_variable(environment, "MARK", "7") && has_variable(environment, "A", "1"));
        assert!(!has_variable(environment, "MARK", "") && !has_variable(environment, "RK", "7"));
        assert!(!has_variable(b"XMARK=7\0MARK=77\0", "MARK", "7") && !has_variable(b"", "A", ""));
    }

    #[test]
    fn this_process_is_in_the_list_with_its_parent_and_session() {
        let own = std::process::id();
        let all = all().unwrap();
        let entry = all.iter().find(|entry| entry.pid == own).unwrap();
        assert_eq!(Some(entry.start_time), of(own).map(|entry| entry.start_time));
        assert_eq!(Some(entry.start_time), crate::ProcessIdentity::of(own).map(|own| own.start_time));
        assert_eq!(entry.parent, std::os::unix::process::parent_id());
        // 0 where the session's leader is in another pid namespace, which rustix takes for impossible.
        let session = nix::unistd::getsid(None).unwrap().as_raw();
        assert_eq!(entry.session, session.cast_unsigned());
        assert!(!entry.dead && !entry.name.is_empty());
    }

    #[test]
    fn a_process_that_was_not_reaped_is_there_and_dead_and_its_environment_was_what_it_was_given() {
        let mut child = std::process::Command::new("cat")
            .env("SPAWNER_TEST_MARK", "x=y")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let marked =
            || has_variable(&environment(child.id()).unwrap_or_default(), "SPAWNER_TEST_MARK", "x=y");
        while !marked() {
            assert!(std::time::Instant::now() < deadline, "it has no such variable");
            std::thread::yield_now();
        }
        let before = of(child.id()).unwrap();
        assert!(!before.dead);
        drop(child.stdin.take());
        while !of(child.id()).unwrap().dead {
            assert!(std::time::Instant::now() < deadline, "it does not end");
            std::thread::yield_now();
        }
        assert_eq!(of(child.id()).unwrap().start_time, before.start_time);
        child.wait().unwrap();
        assert!(of(child.id()).is_none_or(|now| now.start_time != before.start_time));
    }
}
