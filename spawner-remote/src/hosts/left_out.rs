//! What is said of hosts that are down.

use std::sync::Arc;

use spawner_core::{Error, ErrorKind};
use tokio::time::Instant;

use super::Hosts;
use super::schedule::State;

/// How many hosts a message names.
const NAMED: usize = 20;

impl Hosts {
    /// Each host that is left out now, with the reason, and in how many seconds it is tried again.
    pub(crate) fn left_out(&self) -> Vec<(String, Arc<Error>, u64)> {
        let (now, state) = (Instant::now(), self.lock());
        let mut hosts: Vec<_> = state.why.keys().copied().collect();
        hosts.sort_unstable();
        let told = hosts.into_iter().filter_map(|host| match state.schedule.state(host) {
            State::Down(until) => {
                let name = self.all[host].address.name();
                let pause = until.saturating_duration_since(now).as_secs_f64().ceil();
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a minute at most"
                )]
                Some((name, Arc::clone(&state.why[&host]), pause as u64))
            }
            _ => None,
        });
        told.collect()
    }

    /// Why no host can be had.
    pub(super) fn nobody(&self) -> Error {
        let out = self.left_out();
        match out.as_slice() {
            [] => Error::new(ErrorKind::Lost, "start a task on", self.name())
                .because("the backend was shut down"),
            [(_, error, _)] if self.only().is_some() => copy(error, error.subject()),
            [(_, first, _), ..] => {
                let same = out.iter().all(|(_, error, _)| error.kind() == first.kind());
                let kind = if same { first.kind() } else { ErrorKind::Unavailable };
                let soonest = out.iter().map(|(_, _, pause)| *pause).min().unwrap_or_default();
                Error::new(kind, "start a task on", self.name())
                    .because(listed(out.iter().map(|(_, error, _)| error.to_string())))
                    .hint(format!(
                        "the first of them is tried again in {soonest} s; `spawner doctor` asks all of them"
                    ))
            }
        }
    }
}

/// The same error, about this.
pub(super) fn copy(error: &Error, subject: &str) -> Error {
    let same = Error::new(error.kind(), error.operation().to_owned(), subject);
    let same = match std::error::Error::source(error) {
        Some(source) => same.because(source.to_string()),
        None => same,
    };
    match error.help() {
        Some(help) => same.hint(help.to_owned()),
        None => same,
    }
}

/// Some of them, and how many there are besides.
pub(super) fn listed(all: impl Iterator<Item = String>) -> String {
    let all: Vec<_> = all.collect();
    let mut text = all[..all.len().min(NAMED)].join("; ");
    if all.len() > NAMED {
        text = format!("{text}; and {} more", all.len() - NAMED);
    }
    text
}
