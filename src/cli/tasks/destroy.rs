//! `spawner destroy`.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use spawner::journal::Account;
use spawner::{Backend, Backends, CleanupOutcome, ErrorKind, Journal, Task, Teardown};

use super::target::{self, called};
use crate::cli::args::DestroyOptions;
use crate::cli::failure::Failure;
use crate::cli::stop::{Signals, Stop};
use crate::cli::{prepare, runtime, say, status};

pub(crate) fn destroy(options: &DestroyOptions) -> Result<u8, Failure> {
    let journal = Journal::locate();
    let backends = Backends::locate(options.configuration.config.as_deref())?;
    // Whoever misspells one of several names has all of them still.
    let mut targets: Vec<(Account, Backend)> = Vec::new();
    for asked in &options.tasks {
        let account = target::find(&journal, asked)?;
        if targets.iter().all(|(other, _)| other.opening.record.id != account.opening.record.id) {
            let backend = target::open(&backends, &account)?;
            targets.push((account, backend));
        }
    }
    let teardown = prepare::teardown(options.grace, options.linger);
    runtime::current_thread()?.block_on(async {
        let mut done = all(&targets, &teardown).await;
        for (_, backend) in targets {
            if let Err(error) = runtime::shut_down(backend).await {
                say::say(&error.to_string());
                done = done.map(|status| if status == 0 { status::FAILED } else { status });
            }
        }
        done
    })
}

/// Destroys all of them, side by side, and says what is not proved gone.
async fn all(targets: &[(Account, Backend)], teardown: &Teardown) -> Result<u8, Failure> {
    let mut signals = Signals::listen(false)?;
    let mut tasks = Vec::new();
    for (account, backend) in targets {
        match backend.recover_task(&account.record()).await {
            Ok(task) => tasks.push((account, backend, task)),
            // Somebody else has proved it gone since we read its record.
            Err(error) if error.kind() == ErrorKind::UnknownTask && !account.page.path().exists() => {}
            Err(error) => {
                return Err(Failure::from(error).and("nothing was destroyed"));
            }
        }
    }
    let outcomes = tokio::select! {
        biased;
        outcomes = each(&tasks, teardown) => outcomes,
        () = impatience(&mut signals) => each(&tasks, &Teardown::at_once()).await,
    };
    let mut status = 0;
    for ((account, ..), outcome) in tasks.iter().zip(&outcomes) {
        if !outcome.is_clean() {
            status = status::LEAKED;
            let more = if tasks.len() > 1 { format!("task {}:\n", called(account)) } else { String::new() };
            say::say(&format!("{more}{outcome}"));
        }
    }
    Ok(status)
}

/// The first wish to stop is what is being done already; the second one skips the grace.
async fn impatience(signals: &mut Signals) {
    signals.wished().await;
    say::say("it is being ended; once more skips its grace");
    signals.wished().await;
}

/// Destroys every one at the same time.
async fn each(tasks: &[(&Account, &Backend, Task)], teardown: &Teardown) -> Vec<CleanupOutcome> {
    type Destroying<'a> = Pin<Box<dyn Future<Output = CleanupOutcome> + 'a>>;
    let mut work: Vec<(Option<CleanupOutcome>, Destroying<'_>)> = tasks
        .iter()
        .map(|(_, backend, task)| (None, Box::pin(backend.destroy_task(task, teardown)) as Destroying<'_>))
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
