//! The contract of `spawner`.
//!
//! A [`Spawner`] starts a task in one kind of place and later gets rid of everything that the task
//! made. What it returns then, a [`CleanupOutcome`], says [`Verdict::Clean`] only where everything was
//! *observed to be gone* by a mechanism that cannot miss a member. A backend reports evidence; the
//! verdict is computed here, by the one pure function [`verdict()`].
//!
//! The modules come in two layers, and the arrows between them point down only: first the words
//! ([`spec`], [`exit`], [`capability`], [`cleanup`], [`error`], [`id`]), then the behaviour
//! ([`mod@verdict`], [`ladder`], [`admission`], [`start`], [`registry`], [`journal`], [`sweep`], [`spawner`], [`run`]).
//!
//! This crate does nothing to any process by itself; see `spawner-process` for a backend, and the
//! `fake` feature for one that can be scripted.

pub mod admission;
mod attempt;
pub mod capability;
#[cfg(unix)]
pub mod carry;
pub mod cleanup;
pub mod container;
pub mod error;
pub mod exit;
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
pub mod exits;
#[cfg(feature = "fake")]
pub mod fake;
pub mod id;
pub mod journal;
pub mod ladder;
#[cfg(unix)]
pub mod lifeline;
mod message;
mod os_text;
#[cfg(target_os = "linux")]
pub mod proc;
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
pub mod processes;
pub mod registry;
pub mod report;
pub mod run;
pub mod shell;
pub mod spawner;
pub mod spec;
pub mod start;
pub mod stream;
pub mod sweep;
mod table;
pub mod task;
pub mod teardown;
pub mod verdict;

pub use admission::Admitted;
pub use capability::{Capabilities, Capability, Level, Support};
pub use cleanup::{CleanupOutcome, Evidence, Fate, Leftover, Mechanism, Resource, ResourceKind, Verdict};
pub use container::{ContainerOptions, Pull};
pub use error::{Error, ErrorKind, Result};
pub use exit::{Exit, Usage};
pub use id::{ProcessIdentity, TaskId};
pub use journal::Journal;
pub use ladder::Rungs;
pub use registry::Registry;
pub use report::Report;
pub use spawner::{Check, Spawner};
pub use spec::{Environment, Input, Lifetime, Limits, Output, TaskSpec, WindowSize};
pub use start::StartGuard;
pub use stream::TaskStreams;
pub use task::{Logs, Task, TaskRecord, TaskState};
pub use teardown::{AskScope, Teardown};
pub use verdict::{Strength, verdict};
