//! One try at one rung: bounded in time, and not brought down by a backend that panics.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::time::{Instant, timeout_at};

use crate::cleanup::Evidence;
use crate::error::Result;

/// Why a try has no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// It took too long, and was dropped.
    TooLong,
    /// It failed or panicked; with what it said.
    Failed(String),
}

impl Missed {
    /// The end of a sentence that begins with what was attempted.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::TooLong => "took too long".to_owned(),
            Self::Failed(why) => format!("failed: {why}"),
        }
    }
}

/// Tries until `until`, and at least once.
pub(crate) async fn attempt<T>(until: Instant, rung: impl Future<Output = T>) -> Result<T, Missed> {
    let mut rung = pin!(rung);
    let caught = poll_fn(|context| match catch(|| rung.as_mut().poll(context)) {
        Ok(poll) => poll.map(Ok),
        Err(why) => Poll::Ready(Err(Missed::Failed(why))),
    });
    timeout_at(until, caught).await.unwrap_or(Err(Missed::TooLong))
}

/// Like [`attempt`], of something that can also fail.
pub(crate) async fn attempt_result<T>(
    until: Instant,
    rung: impl Future<Output = Result<T>>,
) -> Result<T, Missed> {
    attempt(until, rung).await?.map_err(|error| Missed::Failed(error.to_string()))
}

/// Calls a backend; where it panics, says so.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    // What a panic leaves half done is the backend's own; the ladder looks at it again through methods
    // that may be called at any time.
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| format!("it panicked: {}", message(&*payload)))
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let literal = payload.downcast_ref::<&'static str>().copied();
    literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

/// What went wrong on the way; the reason of what is left over in the end.
#[derive(Default)]
pub(crate) struct Trouble(Vec<String>);

impl Trouble {
    /// Takes note where `doing` missed.
    pub(crate) fn note<T>(&mut self, doing: &str, result: Result<T, Missed>) -> Option<T> {
        let missed = match result {
            Ok(value) => return Some(value),
            Err(missed) => missed,
        };
        let why = format!("{doing} {}", missed.told());
        tracing::debug!(why, "a rung of the ladder failed");
        if !self.0.contains(&why) {
            self.0.push(why);
        }
        None
    }

    /// Adds what was noted to the reason of every leftover.
    pub(crate) fn explain(&self, evidence: &mut Evidence) {
        if self.0.is_empty() {
            return;
        }
        let told = self.0.join("; ");
        for resource in evidence.resources.iter_mut().filter(|resource| resource.fate.is_leftover()) {
            resource.reason = Some(match resource.reason.take() {
                Some(reason) => format!("{reason}; {told}"),
                None => told.clone(),
            });
        }
    }
}
