//! The ssh programs of a harness: those of one that is dead may be stopped, and would stay for ever.

use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::time::{Instant, sleep};

/// How long they may take to end by themselves, where they were told to: their last words are on the way.
const PARTING: Duration = Duration::from_secs(3);

/// How long where their harness died with tasks.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Ends those whose command lines have `token`, by force where they do not end by themselves.
pub(super) async fn end(token: &str, is_parting: bool) {
    let until = Instant::now() + if is_parting { PARTING } else { AT_ONCE };
    loop {
        let left = found(token);
        if left.is_empty() {
            return;
        }
        if Instant::now() >= until {
            for one in left {
                if let Err(errno) = pidfd_send_signal(&one, Signal::KILL) {
                    tracing::debug!(%errno, "an ssh program is gone, or stays");
                }
            }
            return;
        }
        sleep(AT_ONCE / 5).await;
    }
}

fn found(token: &str) -> Vec<OwnedFd> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| {
        let pid = Pid::from_raw(pid)?;
        if !is_ours(pid, token) {
            return None;
        }
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Only after the pidfd is had does the command line say whose it is.
        is_ours(pid, token).then_some(pidfd)
    })
    .collect()
}

fn is_ours(pid: Pid, token: &str) -> bool {
    let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let has = |word: &[u8]| word.windows(token.len()).any(|part| part == token.as_bytes());
    line.starts_with(b"ssh\0") && line.split(|&byte| byte == 0).any(has)
}
