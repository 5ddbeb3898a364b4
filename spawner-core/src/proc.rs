//! What `/proc` says about processes and this host (proc(5)). For backends.

use std::fs;
use std::io::{self, Read as _};
use std::sync::OnceLock;

use rustix::time::{ClockId, clock_gettime};

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The command name.
    pub name: String,
    /// The letter of its state.
    pub state: u8,
    /// The pid of its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// The pid of its session's leader, be that one alive or not.
    pub session: i32,
    /// How many threads it has.
    pub threads: u32,
    /// Clock ticks since the machine came up.
    pub start_time: u64,
}

impl Stat {
    /// Reads what it says of the process with this pid now.
    pub fn of(pid: i32) -> io::Result<Self> {
        let mut buffer = [0u8; 1024];
        let read = fs::File::open(format!("/proc/{pid}/stat"))?.read(&mut buffer)?;
        let text = String::from_utf8_lossy(&buffer[..read]);
        Self::parse(&text).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat cannot be understood")))
    }

    /// The name stands in parentheses and may contain any byte, also `) `; so the last one counts.
    fn parse(text: &str) -> Option<Self> {
        let (start, end) = (text.find('(')?, text.rfind(')')?);
        let name = text.get(start + 1..end)?.to_owned();
        let mut fields = text.get(end + 1..)?.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        // Field 4 was the parent; 5 is the group, 6 the session, 20 the number of threads, 22 the start time.
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let threads = fields.nth(20 - 7)?.parse().ok()?;
        let start_time = fields.nth(22 - 21)?.parse().ok()?;
        Some(Self { name, state, parent, group, session, threads, start_time })
    }

    /// Whether nothing of it runs any more. A leader that ended while other threads run is shown as a
    /// zombie too, with its threads still counted: that one is alive.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }

    /// The state in words.
    pub fn state_in_words(&self) -> &'static str {
        match self.state {
            b'R' => "running",
            b'S' => "sleeping",
            b'D' => "in uninterruptible sleep",
            b'T' => "stopped",
            b't' => "stopped by a tracer",
            b'Z' if self.threads > 1 => "running in threads whose leader has ended",
            b'Z' => "a zombie",
            b'I' => "idle",
            _ => "in a state that is not known",
        }
    }
}

/// Whether an error of reading `/proc` says that the process is not there any more.
pub fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// The kernel's id of this boot.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// When the machine came up, in milliseconds since 1970, by the clocks of now. It is what `btime` in
/// `/proc/stat` says, for less work: proc(5), clock_gettime(2).
pub fn boot_time() -> i64 {
    let millis = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    };
    millis(ClockId::Realtime) - millis(ClockId::Boottime)
}

/// When a process started, as RFC 3339, from its start time in clock ticks since the machine came up.
pub fn when(start_time: u64) -> Option<String> {
    // Once: two looks at one process should name one time, however the clock is set meanwhile.
    static BOOT: OnceLock<i64> = OnceLock::new();
    let boot = *BOOT.get_or_init(boot_time);
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let millis = boot + i64::try_from(start_time.checked_mul(1000)? / ticks).ok()?;
    jiff::Timestamp::from_millisecond(millis).ok().map(|at| format!("{at:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> String {
        format!("4242 ({name}) S 17 4242 4243 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 9876 11 12 13")
    }

    #[test]
    fn a_name_with_parentheses_spaces_and_newlines_is_understood() {
        for name in ["sleep", "a) b", "a) R 1 ", "x\ny", ")))", ""] {
            let stat = Stat::parse(&line(name)).unwrap();
            assert_eq!(
                stat,
                Stat {
                    name: name.into(),
                    state: b'S',
                    parent: 17,
                    group: 4242,
                    session: 4243,
                    threads: 3,
                    start_time: 9876
                },
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_leader_that_ended_before_its_threads_is_not_dead() {
        let mut stat = Stat::parse(&line("x")).unwrap();
        stat.state = b'Z';
        assert!(!stat.is_dead());
        stat.threads = 1;
        assert!(stat.is_dead());
    }

    #[test]
    fn this_process_has_a_stat_and_its_start_is_after_boot() {
        let own = Stat::of(std::process::id().cast_signed()).unwrap();
        assert!(own.start_time > 0 && own.threads >= 1 && !own.is_dead());
        assert!(!boot_id().is_empty() && boot_time() > 0);
    }
}
