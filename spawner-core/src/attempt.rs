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
pub(crate) struct Trouble(Vec<(String, Missed)>);

impl Trouble {
    /// Takes note where `doing` missed.
    pub(crate) fn note<T>(&mut self, doing: &str, result: Result<T, Missed>) -> Option<T> {
        let missed = match result {
            Ok(value) => return Some(value),
            Err(missed) => missed,
        };
        let noted = (doing.to_owned(), missed);
        tracing::debug!(doing, why = noted.1.told(), "a rung of the ladder failed");
        if !self.0.contains(&noted) {
            self.0.push(noted);
        }
        None
    }

    /// Adds what was noted to the reason of every leftover.
    pub(crate) fn explain(&self, evidence: &mut Evidence) {
        for resource in evidence.resources.iter_mut().filter(|resource| resource.fate.is_leftover()) {
            let mut reason = resource.reason.take().unwrap_or_default();
            for (doing, missed) in &self.0 {
                // What is unreachable fails at every rung in the same way.
                if matches!(missed, Missed::Failed(why) if reason.contains(why.as_str())) {
                    continue;
                }
                let joint = if reason.is_empty() { "" } else { "; " };
                reason = format!("{reason}{joint}{doing} {}", missed.told());
            }
            resource.reason = Some(reason).filter(|reason| !reason.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleanup::Resource;
    use crate::task::TaskRecord;
    use crate::{TaskId, TaskSpec};

    #[test]
    fn what_fails_at_every_rung_in_the_same_way_is_said_once() {
        let mut trouble = Trouble::default();
        let refused = || Err::<(), _>(Missed::Failed("connection refused".into()));
        trouble.note("ending it by force", refused());
        trouble.note("watching it", refused());
        trouble.note("looking at it", Err::<(), _>(Missed::TooLong));
        let task = crate::Task::new(TaskRecord::of(TaskId::random(), "lab", &TaskSpec::new(["true"])));
        let mut said = Evidence::blind(Vec::new(), Resource::unreachable(&task, "connection refused"));
        trouble.explain(&mut said);
        let reason = said.resources[0].reason.clone().unwrap();
        assert_eq!(reason.matches("connection refused").count(), 1, "{reason}");
        assert!(reason.ends_with("; looking at it took too long"), "{reason}");
        let mut nothing = Evidence { resources: said.resources.clone(), ..said };
        nothing.resources[0].reason = None;
        trouble.explain(&mut nothing);
        let expected = "ending it by force failed: connection refused; looking at it took too long";
        assert_eq!(nothing.resources[0].reason.as_deref(), Some(expected));
    }
}
