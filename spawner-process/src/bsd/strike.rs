//! Signals to members, and to nobody else.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use spawner_core::processes::{self, Entry};

use super::herd::Herd;

/// Sends the signals to each of these members, in their order.
///
/// A member is looked up again just before, and signalled only where it is still the process that was seen. Between that
/// look and the signal lies one system call, in which it could end, be reaped and its pid be given away: neither system
/// has a handle of a process that would rule that out.
pub(super) fn signal(herd: &mut Herd, members: &[Entry], signals: &[Signal]) {
    for entry in members {
        let still =
            processes::of(entry.pid).is_some_and(|now| now.start_time == entry.start_time && !now.dead);
        let Some(pid) = Pid::from_raw(entry.pid.cast_signed()).filter(|_| still) else { continue };
        let sent = signals.iter().try_for_each(|&signal| kill_process(pid, signal));
        let Some(member) = herd.member(entry) else { continue };
        member.denied = sent == Err(Errno::PERM);
        if sent.is_ok() {
            member.asked |= signals.contains(&Signal::TERM);
            member.struck |= signals.contains(&Signal::KILL);
        }
    }
}

/// Kills the process group of a main process that has not been reaped, so that its number is the task's own: in one step,
/// which a tree that forks quickly cannot outrun.
pub(super) fn kill_group(unreaped: Pid) {
    match kill_process_group(unreaped, Signal::KILL) {
        // There is nobody in it, or nobody who may be signalled: they are signalled one by one, too.
        Ok(()) | Err(Errno::SRCH | Errno::PERM) => {}
        Err(errno) => tracing::debug!(%errno, "the process group of a task was not killed in one step"),
    }
}
