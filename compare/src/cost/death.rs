//! From the death of a harness to the end of the last process of its task.

use std::io::Error;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::herd;
use crate::context::Run;
use crate::document::{Table, Unit};
use crate::peers::program::BWRAP;
use crate::server::{Harness, Order};
use crate::stats::{Entrant, alternate};

const GROUP: &str = "a signal to a process group";

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("death") {
        return;
    }
    let mut table = Table::new(
        "death",
        "Time to zero after the harness was killed",
        "From SIGKILL of the harness to the end of the last process of its task, seen by a pipe that all inherited. \
         Only peers that end a task with their harness are in it: see the matrix for the others. One signal to a whole \
         process group is what the kernel takes.",
        Unit::Seconds,
        GROUP,
    );
    for (count, turns, seconds) in [(10, 100, 20), (100, 40, 20), (1000, 15, 40)] {
        if run.options.quick && count > 100 {
            continue;
        }
        let fifo = run.fifo();
        let mut entrants: Vec<Entrant<'_>> = Vec::new();
        for name in super::OURS {
            let fifo = fifo.clone();
            entrants.push(Entrant::new(name, move || ours(name, count, &fifo)));
        }
        if let Some(bwrap) = run.wrappers.iter().find(|wrapper| wrapper.name == BWRAP) {
            let (before, fifo) = (bwrap.before.clone(), fifo.clone());
            entrants.push(Entrant::new(BWRAP, move || by_pid(&before, count, &fifo, false)));
        }
        entrants.push(Entrant::new(GROUP, move || by_pid(&[], count, &fifo, true)));
        let names: Vec<String> = entrants.iter().map(|entrant| entrant.name.clone()).collect();
        let found = alternate(run.effort(turns, seconds), &mut entrants);
        table.add(&format!("{count} processes"), Some(count as f64), &names, &found, 0);
    }
    run.add(table);
}

fn ours(name: &str, count: usize, fifo: &str) -> Result<Vec<f64>, String> {
    let witness = herd::Witness::make(Path::new(fifo))?;
    let mut harness = Harness::start(&[])?;
    harness.ask(&Order::Leave { peer: name.into(), count, fifo: fifo.into() })?;
    witness.await_up()?;
    let began = Instant::now();
    harness.kill()?;
    witness.await_end()?;
    Ok(vec![began.elapsed().as_secs_f64()])
}

/// Kills what was started, or the process group that it leads. It is not reaped before, so its pid is its own.
fn by_pid(before: &[String], count: usize, fifo: &str, group: bool) -> Result<Vec<f64>, String> {
    let failed = |error: Error| error.to_string();
    let witness = herd::Witness::make(Path::new(fifo))?;
    let argv = herd::argv(count, fifo);
    let words: Vec<&String> = before.iter().chain(&argv).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    witness.await_up()?;
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or("no pid")?;
    let began = Instant::now();
    let kill = if group { kill_process_group } else { kill_process };
    kill(pid, Signal::KILL).map_err(|errno| failed(errno.into()))?;
    witness.await_end()?;
    let took = began.elapsed();
    child.wait().map_err(failed)?;
    Ok(vec![took.as_secs_f64()])
}
