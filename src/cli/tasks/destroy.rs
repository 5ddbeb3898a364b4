//! `spawner destroy`.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use spawner::journal::Account;
use spawner::run::{Finished, exit_after_destroy};
use spawner::{Backend, Backends, CleanupOutcome, ErrorKind, Report, Task, Teardown};

use super::target;
use crate::cli::args::DestroyOptions;
use crate::cli::failure::Failure;
use crate::cli::report::Destination;
use crate::cli::stop::{Signals, Stop};
use crate::cli::{prepare, runtime, say, status};

pub(crate) fn destroy(options: &DestroyOptions) -> Result<i32, Failure> {
    if options.account.report.is_some() && options.tasks.len() > 1 {
        return Err(Failure::new("cannot write one report on several tasks: destroy them one by one"));
    }
    let report = options.account.report.as_deref().map(Destination::open).transpose()?;
    let backends = Backends::locate(options.configuration.config.as_deref())?;
    // Whoever misspells one of several names has all of them still.
    let mut targets: Vec<(Account, Backend)> = Vec::new();
    for asked in &options.tasks {
        let account = target::find(&backends, asked)?;
        if targets.iter().all(|(other, _)| other.opening.record.id != account.opening.record.id) {
            let backend = target::open(&backends, &account)?;
            targets.push((account, backend));
        }
    }
    let teardown = prepare::teardown(options.account.grace, options.account.linger);
    runtime::current_thread()?.block_on(async {
        let mut done = account(&targets, &teardown, options, report).await;
        for (_, backend) in targets {
            if let Err(error) = runtime::shut_down(backend).await {
                say::say(&error.to_string());
                done = done.map(|status| if status == 0 { status::FAILED } else { status });
            }
        }
        done
    })
}

/// Destroys all of them, and says and writes what became of them.
async fn account(
    targets: &[(Account, Backend)],
    teardown: &Teardown,
    options: &DestroyOptions,
    report: Option<Destination>,
) -> Result<i32, Failure> {
    let mut status = 0;
    let destroyed = all(targets, teardown).await?;
    for (_, task, outcome) in &destroyed {
        if !outcome.is_clean() {
            status = status::LEAKED;
            if destroyed.len() > 1 {
                say::say(&format!("of task {}:", task.id()));
            }
            say::say(&outcome.to_string());
        }
    }
    match (report, destroyed.into_iter().next()) {
        (Some(destination), Some((backend, task, cleanup))) => {
            let exit = exit_after_destroy(&**backend, &task).await;
            destination
                .write(&Report::new(&Finished { task, exit, cleanup }), options.account.report_format)?;
        }
        (Some(_), None) => {
            say::say("there is no report, since somebody else has destroyed the task meanwhile");
        }
        (None, _) => {}
    }
    Ok(status)
}

/// Destroys all of them, side by side. What is on no record any more was proved gone by somebody else.
async fn all<'a>(
    targets: &'a [(Account, Backend)],
    teardown: &Teardown,
) -> Result<Vec<(&'a Backend, Task, CleanupOutcome)>, Failure> {
    let mut signals = Signals::listen(false)?;
    let mut tasks = Vec::new();
    for (account, backend) in targets {
        match backend.recover_task(&account.record()).await {
            Ok(task) => tasks.push((backend, task)),
            Err(error) if error.kind() == ErrorKind::UnknownTask && !account.page.path().exists() => {}
            Err(error) => return Err(Failure::from(error).and("nothing was destroyed")),
        }
    }
    let outcomes = tokio::select! {
        biased;
        outcomes = each(&tasks, teardown) => outcomes,
        () = impatience(&mut signals) => each(&tasks, &Teardown::at_once()).await,
    };
    Ok(tasks.into_iter().zip(outcomes).map(|((backend, task), outcome)| (backend, task, outcome)).collect())
}

/// The first wish to stop is what is being done already; the second one skips the grace.
async fn impatience(signals: &mut Signals) {
    signals.wished().await;
    say::say("it is being ended; once more skips its grace");
    signals.wished().await;
}

/// Destroys every one at the same time.
async fn each(tasks: &[(&Backend, Task)], teardown: &Teardown) -> Vec<CleanupOutcome> {
    type Destroying<'a> = Pin<Box<dyn Future<Output = CleanupOutcome> + 'a>>;
    let mut work: Vec<(Option<CleanupOutcome>, Destroying<'_>)> = tasks
        .iter()
        .map(|(backend, task)| (None, Box::pin(backend.destroy_task(task, teardown)) as Destroying<'_>))
        .collect();
    poll_fn(|context| {
        let mut pending = false;
        for (outcome, destroying) in &mut work {
            if outcome.is_none() {
                match destroying.as_mut().poll(context) {
                    Poll::Ready(done) => *outcome = Some(done),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    work.into_iter().filter_map(|(outcome, _)| outcome).collect()
}
