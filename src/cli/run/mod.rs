//! `spawner run`.

mod life;
mod message;
#[cfg_attr(not(unix), path = "terminal/none.rs")]
mod terminal;

use spawner::run::Finished;
use spawner::{Backend, Backends, Error, Report, TaskSpec};

pub(super) use self::message::{about_exit, names};
use self::terminal::Host;
use super::args::{OnLeak, RunOptions};
use super::failure::Failure;
use super::report::Destination;
use super::stop::Signals;
use super::{prepare, pull, runtime, say, status};

pub(crate) fn run(options: &RunOptions) -> Result<i32, Failure> {
    let backends = Backends::locate(options.backend.config.as_deref())?;
    let backend =
        backends.open_with(options.backend.backend.as_deref(), options.backend.mechanism.as_deref())?;
    pull::show(&backend);
    prepare::meet(&options.surroundings.require, &*backend, &backends)?;
    let mut spec = prepare::spec(&options.command, &options.surroundings)?;
    spec.timeout = options.timeout;
    spec.teardown = prepare::teardown(options.account.grace, options.account.linger);
    let host = terminal::host(options.terminal, &mut spec, &*backend)?;
    let report = options.account.report.as_deref().map(Destination::open).transpose()?;

    runtime::serve(backend, async |backend| match live(backend, &spec, host).await {
        Ok(finished) => account(&finished, &spec, options, report),
        Err(error) => Err(prepare::unsupported(error, &backends)),
    })
}

async fn live(backend: &Backend, spec: &TaskSpec, host: Option<Host>) -> Result<Finished, Error> {
    let mut signals = Signals::listen(host.is_some())?;
    life::live(&**backend, spec, &mut signals, host).await
}

/// Says and writes how it went; the exit status says it too.
fn account(
    finished: &Finished,
    spec: &TaskSpec,
    options: &RunOptions,
    report: Option<Destination>,
) -> Result<i32, Failure> {
    for message in message::about(finished, spec) {
        say::say(&message);
    }
    if let Some(destination) = report {
        destination.write(&Report::new(finished), options.account.report_format)?;
    }
    if options.on_leak == OnLeak::Fail && status::is_leak(&finished.cleanup) {
        return Ok(status::LEAKED);
    }
    Ok(status::of_exit(&finished.exit))
}
