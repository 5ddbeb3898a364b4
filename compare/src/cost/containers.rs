//! `/bin/true` in a container.

use std::cell::RefCell;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::context::{Run, quotient};
use crate::document::{Table, Unit};
use crate::peers::program::IMAGE;
use crate::peers::{OURS_IN_PODMAN, PODMAN_RUN};
use crate::server::{Harness, Order};
use crate::stats::{Entrant, alternate};

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("containers") {
        return;
    }
    let what = "podman: whole life of `/bin/true` ÷ `podman run --rm`";
    if std::env::var_os("CONTAINER_HOST").is_none() {
        let why = "no engine was brought up";
        run.absent("containers", why);
        run.goal(what, 0.8, Err(why.into()));
        return;
    }
    let harness = match Harness::start(&[]) {
        Ok(harness) => RefCell::new(harness),
        Err(why) => return run.absent(OURS_IN_PODMAN, why),
    };
    let mut entrants = [
        Entrant::new(OURS_IN_PODMAN, || {
            let sample = harness.borrow_mut().ask(&Order::Life { peer: OURS_IN_PODMAN.into() })?;
            Ok(vec![sample[1]])
        }),
        Entrant::new(PODMAN_RUN, podman_run),
    ];
    let names: Vec<String> = entrants.iter().map(|entrant| entrant.name.clone()).collect();
    let found = alternate(run.effort(60, 45), &mut entrants);
    let mut table = Table::new(
        "containers",
        "The whole life of `/bin/true` in a container",
        "Without a network, on the same storage, one of each in turn. `spawner` looks twice that everything is gone.",
        Unit::Seconds,
        PODMAN_RUN,
    );
    table.add("", None, &names, &found, 0);
    run.goal(what, 0.8, quotient(&table, OURS_IN_PODMAN, PODMAN_RUN, ""));
    run.add(table);
}

fn podman_run() -> Result<Vec<f64>, String> {
    let mut command = Command::new("podman");
    command.args(["run", "--rm", "--network=none", IMAGE, "/bin/true"]).stdin(Stdio::null());
    // Else it would go over the API.
    command.env_remove("CONTAINER_HOST");
    let began = Instant::now();
    let status = command.status().map_err(|error| error.to_string())?;
    let took = began.elapsed().as_secs_f64();
    if status.success() { Ok(vec![took]) } else { Err(format!("{command:?}: {status}")) }
}
