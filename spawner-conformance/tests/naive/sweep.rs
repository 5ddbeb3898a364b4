//! The sweep of the naive backend: by the mark in the environment, again and again until nothing has it.

use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::journal::Found;
use spawner_core::{Journal, ProcessIdentity};

use super::Flaw;

pub(crate) fn sweep(flaw: Flaw, journal: &Journal) {
    if flaw == Flaw::SweepsNothing {
        return;
    }
    for found in journal.read().unwrap_or_default() {
        match found {
            Found::Account(account) => {
                if flaw == Flaw::TrustsPids {
                    kill(account.opening.harness.process.pid);
                }
                if account.is_for_a_sweep() || flaw == Flaw::SweepsTheLiving {
                    end(&format!("SPAWNER_TASK_ID={}", account.opening.record.id));
                    said(account.page.close());
                }
            }
            Found::Damaged { path, .. } if flaw == Flaw::RemovesDamaged => said(std::fs::remove_file(path)),
            Found::Damaged { .. } => {}
        }
    }
    forget_half_written(journal);
}

/// Removes records that their harness was killed while it wrote them.
fn forget_half_written(journal: &Journal) {
    let entries = journal.folder().into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let names = entries.flatten().map(|entry| entry.file_name());
    let writers =
        names.filter_map(|name| name.to_str()?.strip_suffix(".tmp")?.rsplit_once('.')?.1.parse::<u32>().ok());
    for writer in writers.filter(|&writer| ProcessIdentity::of(writer).is_none()) {
        journal.forget_half_written(writer);
    }
}

/// Kills whatever has the mark until nothing has it.
fn end(mark: &str) {
    let give_up = Instant::now() + Duration::from_secs(5);
    loop {
        let marked: Vec<_> = pids().filter(|&pid| carries(pid, mark)).collect();
        if marked.is_empty() || Instant::now() > give_up {
            return;
        }
        marked.into_iter().for_each(kill);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn carries(pid: u32, mark: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|one| one == mark.as_bytes())
}

fn kill(pid: u32) {
    let handle = Pid::from_raw(pid.cast_signed()).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
    // Whoever has ended needs no signal.
    if let Some(Ok(handle)) = handle
        && let Err(error) = pidfd_send_signal(handle, Signal::KILL)
        && error != rustix::io::Errno::SRCH
    {
        eprintln!("naive: cannot signal {pid}: {error}");
    }
}

fn said(done: std::io::Result<()>) {
    if let Err(error) = done {
        eprintln!("naive: {error}");
    }
}
