//! `/bin/true` on another machine.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::context::{Run, quotient};
use crate::document::{Table, Unit};
use crate::peers::{BARE_GUARDIAN, OURS_OVER_SSH, SSH_TWICE};
use crate::server::{Harness, Order};
use crate::stats::{Entrant, alternate};

const TRUE: &str = "/bin/true";

/// How long ssh may take to connect.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("remote") {
        return;
    }
    let what = "remote: whole life of `/bin/true` on a warm connection ÷ two plain multiplexed ssh commands";
    let both = Mux::open().and_then(|mux| Ok((mux, Harness::start(&[])?)));
    let (mux, harness) = match both {
        Ok((mux, harness)) => (mux, RefCell::new(harness)),
        Err(why) => {
            run.absent(OURS_OVER_SSH, why.clone());
            return run.goal(what, 1.2, Err(why));
        }
    };
    let mut entrants = [
        Entrant::new(OURS_OVER_SSH, || {
            let sample = harness.borrow_mut().ask(&Order::Life { peer: OURS_OVER_SSH.into() })?;
            Ok(vec![sample[1]])
        }),
        Entrant::new(SSH_TWICE, || {
            let began = Instant::now();
            mux.run(TRUE)?;
            mux.run(TRUE)?;
            Ok(vec![began.elapsed().as_secs_f64()])
        }),
        Entrant::new(BARE_GUARDIAN, || {
            let began = Instant::now();
            mux.run(&guardian())?;
            Ok(vec![began.elapsed().as_secs_f64()])
        }),
    ];
    let names: Vec<String> = entrants.iter().map(|entrant| entrant.name.clone()).collect();
    let found = alternate(run.effort(100, 60), &mut entrants);
    let mut table = Table::new(
        "remote",
        "The whole life of `/bin/true` on another machine",
        "Over warm connections to one sshd on the loopback, one of each in turn: start it and ask what became of it takes two \
         commands of plain `ssh -S`. `spawner` proves that nothing is left. Sessions have an empty home: what the account's own \
         files start in each is no part of either.",
        Unit::Seconds,
        SSH_TWICE,
    );
    table.add("", None, &names, &found, 0);
    run.goal(what, 1.2, quotient(&table, OURS_OVER_SSH, SSH_TWICE, ""));
    run.add(table);
}

/// The least that keeps a task there: a subreaper that is a shell, and the task in a session of its own.
fn guardian() -> String {
    let prctl = if cfg!(target_arch = "x86_64") { 157 } else { 167 };
    let reaper = format!("syscall({prctl},36,1,0,0,0)==0 or exit 124;exec @ARGV");
    format!("exec perl -e '{reaper}' /bin/sh -c 'setsid {TRUE} & wait $!'")
}

/// A multiplexed connection of ssh's own.
struct Mux {
    master: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Mux {
    fn open() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let socket = folder.path().join("mux");
        let mut command = ssh(&socket)?;
        command.args(["-M", "-N", "127.0.0.1"]).stdin(Stdio::null());
        let master = command.spawn().map_err(|error| format!("ssh: {error}"))?;
        let mux = Self { master, socket, _folder: folder };
        let deadline = Instant::now() + PATIENCE;
        while !mux.socket.exists() {
            if Instant::now() > deadline {
                return Err("ssh does not connect".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(mux)
    }

    fn run(&self, what: &str) -> Result<(), String> {
        let mut command = ssh(&self.socket)?;
        command.args(["127.0.0.1", what]).stdin(Stdio::null());
        let status = command.status().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        if let Err(error) = self.master.kill().and_then(|()| self.master.wait()) {
            eprintln!("cannot end ssh: {error}");
        }
    }
}

fn ssh(socket: &std::path::Path) -> Result<Command, String> {
    let mut command = Command::new("ssh");
    command.args(crate::peers::library::Lab::find()?.words()).arg("-S").arg(socket);
    Ok(command)
}
