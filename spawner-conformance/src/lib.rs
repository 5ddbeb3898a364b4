//! One suite for every spawner backend.
//!
//! Each [`Case`] runs a task that makes it hard to be ended, and asserts what the backend's own
//! capabilities promise: what is `Guaranteed` must hold and be `Clean`, what is `BestEffort` must never be
//! a false clean or a false dirty, what is `Unsupported` must be refused with nothing started. The judge is
//! a [`Witness`] outside of the spawner.
//!
//! A backend is enrolled by a test target of one line, see [`main`]; a program runs the suite with [`run`],
//! and calls [`serve_if_asked`] first thing in its own `main`.

mod case;
mod cases;
mod document;
mod enrolled;
mod enrolment;
mod harness;
mod host;
mod judge;
mod mischief;
pub mod place;
mod runner;
mod scene;
mod state;
#[cfg(windows)]
mod win;
mod witness;

pub use case::Case;
pub use cases::{all, proofs_of};
pub use document::{CaseResult, Results, Status};
pub use enrolled::{SKIP, main, summarise};
pub use enrolment::{Enrolment, Make};
pub use harness::serve_if_asked;
pub use host::{Need, SET_UID_COPY};
pub use mischief::{ARGUMENT as MISCHIEF, run_if_asked};
pub use runner::{Observer, Options, run};
pub use witness::{Living, Witness};
