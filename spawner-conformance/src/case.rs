//! What a case is.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use spawner_core::Capability;

use crate::host::Need;
use crate::scene::Scene;

/// One thing that is asserted of every backend.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name: what holds where it passes.
    pub name: &'static str,
    /// The capabilities whose proof it is part of.
    pub proves: &'static [Capability],
    /// What it needs of the host; where that is missing it is skipped, with the reason.
    pub needs: &'static [Need],
    /// How long it may take before it counts as failed.
    pub(crate) limit: Duration,
    pub(crate) run: Run,
}

pub(crate) type Run = fn(Arc<Scene>) -> Pin<Box<dyn Future<Output = Checked> + Send>>;

/// How a case went.
pub(crate) type Checked<T = ()> = Result<T, NotPassed>;

/// Why a case did not pass.
#[derive(Debug)]
pub(crate) enum NotPassed {
    /// It does not hold.
    Failed(String),
    /// There is nothing here that it could be asserted of.
    Skipped(String),
}

impl Case {
    /// Adds what it needs of the host.
    pub(crate) const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// Gives it more time.
    pub(crate) const fn within(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }
}

impl From<String> for NotPassed {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl From<spawner_core::Error> for NotPassed {
    fn from(error: spawner_core::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for NotPassed {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("the case itself met an input or output error: {error}"))
    }
}

impl fmt::Display for NotPassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) | Self::Skipped(why) => f.write_str(why),
        }
    }
}

/// A case out of an `async fn(Arc<Scene>) -> Checked`.
macro_rules! case {
    ($function:path, $name:literal, [$($capability:ident),+ $(,)?]) => {
        $crate::case::Case {
            name: $name,
            proves: &[$(spawner_core::Capability::$capability),+],
            needs: &[],
            limit: std::time::Duration::from_secs(40),
            run: |scene| Box::pin($function(scene)),
        }
    };
}

/// Ends the case as failed unless the condition holds.
macro_rules! require {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err($crate::case::NotPassed::Failed(format!($($why)+)));
        }
    };
}

pub(crate) use {case, require};
